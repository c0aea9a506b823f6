use super::*;

fn refused(program: &[u8]) -> LoadError {
    state_dict(&[b"\x80\x02", program].concat()).unwrap_err()
}

#[test]
fn a_pickle_that_would_run_a_command_is_refused_by_the_name_of_what_it_asks_for() {
    let told = refused(b"cos\nsystem\nX\x05\x00\x00\x00touch\x85R.");
    assert_eq!(told, LoadError::ForbiddenGlobal("os.system".into()));
    assert!(told.to_string().contains("nothing was executed"), "{told}");
    for (module, name) in [("builtins", "eval"), ("torch", "load"), ("torch._utils", "_rebuild_tensor_v3"), ("collections", "Counter")] {
        let program = format!("c{module}\n{name}\n.");
        assert_eq!(refused(program.as_bytes()), LoadError::ForbiddenGlobal(format!("{module}.{name}")));
    }
}

#[test]
fn instructions_that_make_or_call_anything_else_are_refused() {
    // INST, OBJ, NEWOBJ, STACK_GLOBAL, EXT1, BINBYTES, PERSID, GLOBAL's text forms
    for opcode in *b"io\x81\x93\x82BPISVgp0" {
        assert_eq!(refused(&[opcode]), LoadError::ForbiddenOpcode { opcode, at: 2 });
    }
}

/// `pickle.dumps({'model_state_dict': {'a': <tensor>}, 'optimizer_state_dict': {'state': {0: {'step': 1.0}}, 'param_groups':
/// [{'lr': 0.1, 'betas': (0.9, 0.99)}]}, 'epoch': 3})`, as far as it matters.
#[test]
fn what_stands_beside_the_weights_of_a_checkpoint_is_passed_over() {
    let storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ";
    let tensor =
        [&b"ctorch._utils\n_rebuild_tensor_v2\n("[..], storage, b"K\x00K\x01\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR"].concat();
    let float = b"G\x3f\xb9\x99\x99\x99\x99\x99\x9a";
    let text = |text: &str| [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
    let optimizer =
        [&b"}("[..], &text("state"), b"}K\x00}", &text("step"), float, b"ss", &text("param_groups"), b"](}", &text("lr"), float, b"sNeu"]
            .concat();
    let program = [
        &b"\x80\x02}("[..],
        &text("epoch"),
        b"K\x03",
        &text("optimizer_state_dict"),
        &optimizer,
        &text("loss"),
        b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n",
        &text("f8"),
        b"\x89\x88\x87R(K\x03tbc_codecs\nencode\n",
        &text("xyz"),
        &text("latin1"),
        b"\x86R\x86R",
        &text("model_state_dict"),
        b"}",
        &text("0.weight"),
        &tensor,
        b"s",
        &text("generator"),
        &tensor,
        b"u.",
    ]
    .concat();
    let tensors = state_dict(&program).unwrap();
    assert_eq!(tensors.iter().map(|(name, view)| (name.as_str(), view.shape.as_slice())).collect::<Vec<_>>(), [("0.weight", &[1][..])]);
    // The same, one byte short at a time: an error, never a panic.
    for len in 0..program.len() {
        assert!(state_dict(&program[..len]).is_err(), "{len}");
    }
}

#[test]
fn nothing_opaque_passes_for_a_container_or_a_tensor() {
    for program in [&b"}K\x01a."[..], b"K\x01K\x02s.", b"ctorch\ndevice\nK\x01R.", b"ctorch._utils\n_rebuild_parameter\nN\x85R.", b"]."] {
        assert!(matches!(refused(program), LoadError::Pickle { .. }), "{program:?}");
    }
}

#[test]
fn an_ordered_dict_is_called_with_nothing_only() {
    assert!(matches!(refused(b"ccollections\nOrderedDict\n}\x85R."), LoadError::Pickle { .. }));
}

#[test]
fn bounds_hold_before_memory_is_taken() {
    assert!(matches!(refused(b"X\xff\xff\xff\xff"), LoadError::Bound { .. }));
    assert!(matches!(refused(b"Nr\xff\xff\xff\xff"), LoadError::Bound { .. }));
    assert!(matches!(refused(&b"}".repeat(bounds::MAX_OBJECTS + 1)), LoadError::Bound { .. }));
    assert!(matches!(refused(&b"(".repeat(bounds::MAX_STACK + 2)), LoadError::Bound { .. }));
}

#[test]
fn a_dict_that_holds_itself_is_no_state_dict_and_harms_nobody() {
    assert!(matches!(refused(b"}q\x00X\x01\x00\x00\x00ah\x00s."), LoadError::Pickle { .. }));
}

#[test]
fn numbers_have_their_signs() {
    let mut machine = Machine { bytes: &[0xff, 0xff, 0xff, 0xff], at: 0, stack: vec![], memo: vec![], objects: vec![], held: 0 };
    machine.push_int(2, false).unwrap();
    machine.at = 0;
    machine.push_int(2, true).unwrap();
    machine.push_int(0, true).unwrap();
    assert_eq!(machine.stack, [Value::Int(0xffff), Value::Int(-1), Value::Int(0)]);
}
