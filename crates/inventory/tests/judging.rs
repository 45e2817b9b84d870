//! Laws of the judging parts that hold for any input, however hostile.

use event::fact::{ContainerSpec, Device, EngineSpec, Mount};
use inventory::image_ref::ImageRef;
use inventory::limits::{Limits, diff};
use inventory::lookup::Nothing;
use inventory::posture::Posture;
use inventory::{host_path, log, names, role, weakened};
use proptest::prelude::*;

/// Text of the sort that these parts read, and of the sort that nobody writes.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9:/._@-]{0,24}",
        "(/|\\.\\.|\\.|etc|var|run|proc|1|self|root|docker\\.sock|lib){0,8}",
        ".{0,12}",
        "(host|container:|container:abc|none|default|private|ns:/proc/1/ns/net)",
        "(seccomp|apparmor|label|systempaths|no-new-privileges)[=:](unconfined|disable|false|x|)",
    ]
}

fn texts() -> impl Strategy<Value = Vec<smol_str::SmolStr>> {
    prop::collection::vec(text().prop_map(Into::into), 0..4)
}

prop_compose! {
    fn mount()(kind in prop_oneof!["bind", "volume", "tmpfs", ".{0,3}"], source in text(), target in text(), device in text(), writable: bool, propagation in text()) -> Mount {
        Mount { kind: kind.into(), source: source.into(), target: target.into(), device: device.into(), writable, propagation: propagation.into(), ..Mount::default() }
    }
}

prop_compose! {
    fn spec()(
        words in texts(), cap_add in texts(), security_opt in texts(), rules in texts(), from in texts(),
        modes in prop::collection::vec(text(), 6),
        mounts in prop::collection::vec(mount(), 0..3),
        devices in texts(),
        privileged: bool, readonly_rootfs: bool,
        log in (text(), text()),
        cpu in prop::option::of(prop::num::f64::ANY), memory in prop::option::of(any::<i64>()), swap in prop::option::of(any::<i64>()),
        pids in prop::option::of(any::<i64>()), shares in prop::option::of(any::<i64>()),
    ) -> ContainerSpec {
        ContainerSpec {
            name: words.first().cloned().unwrap_or_default(),
            image: words.get(1).cloned().unwrap_or_default(),
            cap_add, security_opt, device_cgroup_rules: rules, volumes_from: from, mounts, privileged, readonly_rootfs,
            pid_mode: modes[0].clone().into(), ipc_mode: modes[1].clone().into(), network_mode: modes[2].clone().into(),
            uts_mode: modes[3].clone().into(), userns_mode: modes[4].clone().into(), cpuset: modes[5].clone().into(),
            devices: devices.into_iter().map(|host_path| Device { host_path, permissions: "rwm".into() }).collect(),
            log_driver: log.0.into(),
            log_options: vec![("max-size".into(), log.1.into())],
            cpu_limit: cpu, memory_limit: memory, memory_swap: swap, pids_limit: pids, cpu_shares: shares,
            ..ContainerSpec::default()
        }
    }
}

proptest! {
    #[test]
    fn no_input_makes_the_judges_panic_and_equal_input_gives_equal_postures(spec in spec(), driver in text()) {
        let engine = EngineSpec { log_driver: Some(driver.into()), root_dir: Some(spec.name.clone()), security_options: Some(spec.security_opt.clone()), ..EngineSpec::default() };
        for engine in [None, Some(&engine)] {
            let posture = Posture::of(&spec, engine, &Nothing);
            prop_assert_eq!(&posture, &Posture::of(&spec, engine, &Nothing));
            prop_assert!(weakened::weaker(&posture, &posture, false).is_empty(), "nothing is weaker than itself");
            let _ = role::sensor(&spec.name, &spec.image, &[], Some(&posture), None);
        }
        let _ = (names::resembles(&spec.name), ImageRef::parse(&spec.image), log::size(&spec.image));
    }

    #[test]
    fn adding_privileges_never_lowers_the_level(spec in spec(), extra in mount()) {
        let before = Posture::of(&spec, None, &Nothing);
        let mut mounts = spec.mounts.clone();
        mounts.push(extra);
        let more = ContainerSpec { mounts, ..spec.clone() };
        prop_assert!(Posture::of(&more, None, &Nothing).level >= before.level);
        let all = ContainerSpec { privileged: true, ..spec };
        prop_assert!(Posture::of(&all, None, &Nothing).level >= before.level);
    }

    #[test]
    fn a_change_and_its_reverse_are_both_told_or_neither(a in spec(), b in spec()) {
        let (a, b) = (Limits::of(&a), Limits::of(&b));
        prop_assert!(diff(&a, &a, &a).is_empty());
        let told = |changes: Vec<inventory::limits::PropertyChange>| changes.iter().map(|change| change.property).collect::<Vec<_>>();
        prop_assert_eq!(told(diff(&a, &a, &b)), told(diff(&b, &b, &a)));
    }

    #[test]
    fn a_followed_path_is_followed_once(path in text()) {
        if let Some(once) = host_path::resolve(&path) {
            prop_assert_eq!(host_path::resolve(&once), Some(once));
        }
    }

    #[test]
    fn a_name_has_the_bones_of_its_bones(name in ".{0,24}") {
        let bones = names::skeleton(&name);
        prop_assert_eq!(names::skeleton(&bones), bones);
    }

    #[test]
    fn a_reference_is_canonical_after_one_reading(reference in "[a-z0-9./:@-]{1,24}") {
        if let Some(parsed) = ImageRef::parse(&reference)
            && let Some(again) = ImageRef::parse(&parsed.canonical())
        {
            prop_assert_eq!(again.canonical(), parsed.canonical());
        }
    }
}
