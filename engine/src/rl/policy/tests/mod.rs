//! Against the reference models, and against small files made for the purpose.

mod golden;
mod made;
