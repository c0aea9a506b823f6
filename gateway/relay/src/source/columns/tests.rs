use super::*;

fn layout(header: &str, map: &str) -> Result<Layout, String> {
    let names: Vec<String> = header.split(',').map(str::to_owned).collect();
    Layout::of(&names, &map.parse().unwrap(), false)
}

fn signals(layout: &Layout) -> Vec<&str> {
    layout.signals.iter().map(|(_, name)| &**name).collect()
}

#[test]
fn the_conventional_header_needs_no_map() {
    let layout = layout("t_s,vehicle_id,lap,speed_mps", "").unwrap();
    assert_eq!((layout.time, layout.vehicle), ((0, TimeForm::RelativeSeconds), Some(1)));
    assert_eq!(signals(&layout), ["lap", "speed_mps"]);
}

#[test]
fn of_two_clocks_the_sources_own_is_used_and_the_other_is_no_signal() {
    let layout = layout("meta_time,timestamp,vehicle_id,lap,telemetry_name,telemetry_value", "").unwrap();
    assert_eq!(layout.time, (1, TimeForm::Text));
    assert_eq!(layout.shape, Shape::Long { name: 4, value: 5, text: None });
    assert_eq!(signals(&layout), ["lap"]);
    assert!(layout.notes.iter().any(|note| note.contains("'meta_time'") && note.contains("--map time=meta_time")), "{:?}", layout.notes);
}

#[test]
fn columns_that_are_called_as_times_are_stay_signals_and_are_noted() {
    for (header, kept) in [
        ("time,ts,vehicle_id,v", vec!["ts", "v"]),
        ("t_s,Timestamp,vehicle_id,v", vec!["Timestamp", "v"]),
        ("time,epoch_ms,utc,vehicle_id,v", vec!["epoch_ms", "utc", "v"]),
    ] {
        let layout = layout(header, "").unwrap();
        assert_eq!(signals(&layout), kept, "{header}");
        assert!(layout.notes.len() == 1 && layout.notes[0].contains(kept[0]), "{header}: {:?}", layout.notes);
    }
    for (header, map) in [("time,vehicle_id,v", ""), ("time,ts,vehicle_id", "clock=ts"), ("t_s,vehicle_id,elapsed_time", "")] {
        assert_eq!(layout(header, map).unwrap().notes, [""; 0], "{header}");
    }
}

#[test]
fn a_map_names_columns_and_gives_signals_their_names() {
    let layout = layout("SessionTime,Car,Speed,RPM", "time=SessionTime,vehicle=Car,speed_mps=Speed").unwrap();
    assert_eq!(signals(&layout), ["speed_mps", "RPM"]);
    assert_eq!((layout.time.0, layout.vehicle), (0, Some(1)));
}

#[test]
fn long_tables_are_known_by_what_their_columns_are_called_and_reported() {
    for header in [
        "time,vehicle_id,name,value",
        "time,vehicle_id,Variable,Value,unit",
        "time,vehicle_id,metric,value",
        "time,vehicle_id,parameter,reading",
        "time,vehicle_id,Channel Name,Channel Value",
        "time,vehicle_id,key,val",
        "time,vehicle_id,Kanal,Wert",
        "time,vehicle_id,canal,valeur",
    ] {
        let layout = layout(header, "").unwrap();
        assert_eq!(layout.shape, Shape::Long { name: 2, value: 3, text: None }, "{header}");
        assert!(layout.signals.is_empty() && layout.notes[0].contains("one row per signal"), "{header}: {:?}", layout.notes);
    }
    let silent = layout("time,vehicle_id,signal,value", "").unwrap();
    assert!(silent.shape != Shape::Wide && silent.notes.is_empty());
    let ambiguous = layout("time,vehicle_id,sensor,parameter,value", "").unwrap();
    assert_eq!((ambiguous.shape.clone(), signals(&ambiguous)), (Shape::Long { name: 3, value: 4, text: None }, vec!["sensor"]));
    assert!(ambiguous.notes[0].contains("sensor is a signal beside it"), "{:?}", ambiguous.notes);
    for (header, map) in
        [("time,vehicle_id,name,value", "name_=name"), ("time,vehicle_id,name,speed", ""), ("time,vehicle_id,value,speed", "")]
    {
        assert_eq!(layout(header, map).unwrap().shape, Shape::Wide, "{header}");
    }
    let driver = layout("time,name,variable,value", "vehicle=name").unwrap();
    assert_eq!(driver.shape, Shape::Long { name: 2, value: 3, text: None });
}

#[test]
fn usual_names_are_known_however_they_are_written() {
    for header in ["Time,Driver,Speed", "Time (s),Vehicle ID,Speed", "SessionTime,Car,Speed", "TIMESTAMP,DriverId,Speed"] {
        let layout = layout(header, "").unwrap();
        assert_eq!((layout.time.0, layout.vehicle, signals(&layout)), (0, Some(1), vec!["Speed"]), "{header}");
    }
}

#[test]
fn repeated_names_get_numbers_that_are_free_and_are_reported() {
    let mut names: Vec<String> = ["speed", "rpm", "speed", "speed_2", "speed", "", ""].map(str::to_owned).to_vec();
    let told = unique(&mut names);
    assert_eq!(names, ["speed", "rpm", "speed_3", "speed_2", "speed_4", "", ""]);
    assert!(told.len() == 1 && told[0].contains("3 times") && told[0].contains("speed_3"), "{told:?}");
}

#[test]
fn a_misspelt_signal_is_named_with_what_may_be_meant() {
    let names: Vec<String> = ["t_s", "vehicle_id", "speed"].map(str::to_owned).to_vec();
    let layout = Layout::of(&names, &ColumnMap::default(), false).unwrap();
    let error = check_wanted(&layout, &names, &["sped".to_owned()]).unwrap_err();
    assert!(error.contains("no column 'sped'; did you mean 'speed'?"), "{error}");
    assert_eq!(check_wanted(&layout, &names, &["speed".to_owned()]), Ok(()));
}

#[test]
fn what_is_missing_is_named_with_the_remedy() {
    assert!(layout("a,b", "").unwrap_err().contains("--map time="));
    assert!(layout("t_s,b", "").unwrap_err().contains("--vehicle"));
    assert!(layout("t_s,vehicle_id", "speed=Speed").unwrap_err().contains("no column 'Speed'"));
    assert!("novalue".parse::<ColumnMap>().is_err());
}
