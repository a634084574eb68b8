//! Checks that the seeds fit the current format: each target accepts its seeds.

use std::fs;
use std::path::Path;

#[test]
fn every_seed_is_accepted() {
    for (name, target) in fuzz::TARGETS {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
        let seeds = fs::read_dir(&directory).unwrap();
        let seeds: Vec<_> = seeds.map(|entry| entry.unwrap().path()).collect();
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for seed in seeds {
            assert!(target(&fs::read(&seed).unwrap()), "{}: fuzz/make-seeds", seed.display());
        }
    }
}
