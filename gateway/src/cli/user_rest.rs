//! `slipstream user --url`: users of a server that runs elsewhere, over its REST door.

use serde_json::{Map, Value, json};
use slipstream_protocol::{VehicleId, token::Role};

use super::{
    Outcome,
    exit::{Exit, Usage},
    print::{err, out},
    rest::Rest,
    user::print_user,
};

/// Users read at a time.
const PAGE: usize = 100;

/// A server's users, for an admin.
pub(super) struct RemoteUsers(pub(super) Rest);

impl RemoteUsers {
    pub(super) async fn list(&self) -> Outcome {
        for user in self.all().await? {
            let text = |name: &str| user[name].as_str().unwrap_or_default();
            print_user(text("role"), text("email"), text("name"), text("createdAt"), user["driverId"].as_str());
        }
        Ok(Exit::Done)
    }

    async fn all(&self) -> anyhow::Result<Vec<Value>> {
        let mut users = Vec::new();
        for page in 1.. {
            let answer = self.0.call("GET", &format!("/api/users?page={page}&per_page={PAGE}"), None).await?;
            let some = answer.as_array().cloned().unwrap_or_default();
            let is_last = some.len() < PAGE;
            users.extend(some);
            if is_last {
                break;
            }
        }
        Ok(users)
    }

    /// The path of the user with this email.
    async fn path_of(&self, email: &str) -> anyhow::Result<String> {
        let users = self.all().await?;
        let found = users.iter().find(|user| user["email"].as_str() == Some(email)).and_then(|user| user["id"].as_str());
        let missing = || Usage(format!("there is no user '{email}'; `slipstream user list` lists them"));
        Ok(format!("/api/users/{}", found.ok_or_else(missing)?))
    }

    pub(super) async fn add(&self, user: &str, name: &str, role: Role, driver: Option<&VehicleId>, password: &str) -> anyhow::Result<()> {
        let body = json!({ "email": user, "name": name, "role": role.as_str(), "driverId": driver, "password": password });
        self.0.call("POST", "/api/users", Some(body)).await?;
        Ok(())
    }

    /// Changes what is given.
    pub(super) async fn change(&self, user: &str, change: Map<String, Value>) -> anyhow::Result<()> {
        let path = self.path_of(user).await?;
        self.0.call("PUT", &path, Some(Value::Object(change))).await?;
        Ok(())
    }

    pub(super) async fn remove(&self, user: &str) -> Outcome {
        let path = self.path_of(user).await?;
        self.0.call("DELETE", &path, None).await?;
        out!("{user} is removed");
        Ok(Exit::Done)
    }

    pub(super) async fn invite(&self, role: Role, driver: Option<&VehicleId>, ttl: std::time::Duration) -> Outcome {
        let body = json!({ "role": role.as_str(), "driverId": driver, "ttl": crate::config::duration::format(ttl) });
        let answer = self.0.call("POST", "/api/invites", Some(body)).await?;
        out!("{}", answer["code"].as_str().unwrap_or_default());
        err!("works once until {}, at <the server's address>/setup#<code>", answer["expiresAt"].as_str().unwrap_or_default());
        Ok(Exit::Done)
    }
}
