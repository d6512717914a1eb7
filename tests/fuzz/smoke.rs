//! The fuzz targets on their seeds, and on mutations of them that are the same in every run. It
//! finds what a change has just broken; what nobody has thought of takes `tests/fuzz/run`.

mod targets;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

/// Longer ones find nothing that shorter ones do not.
const LONGEST: usize = 4096;

/// What means something to one reader or another.
const SPECIAL: &[u8] = b"\r\n \t\0%/;,=\"'\\.:[]{}&#-_0\xff";

#[test]
fn every_target_holds() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds");
    let failed = std::thread::scope(|scope| {
        let run = |(name, target, mutations): &'static (&str, targets::Target, usize)| {
            let seeds = read(&seeds.join(name));
            scope.spawn(move || every_input(name, *target, &seeds, *mutations))
        };
        let running: Vec<_> = targets::ALL.iter().map(run).collect();
        running.into_iter().filter_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn read(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("seeds").map(|entry| entry.unwrap().path()).collect();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The first input with which it fails.
fn every_input(
    name: &str,
    target: targets::Target,
    seeds: &[Vec<u8>],
    mutations: usize,
) -> Option<String> {
    let mut chance = Chance(name.bytes().fold(0x9e37_79b9_7f4a_7c15, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }));
    let mutated = (0..mutations).map(|_| chance.mutate(seeds)).collect::<Vec<_>>();
    let fails = |input: &&Vec<u8>| catch_unwind(AssertUnwindSafe(|| target(input))).is_err();
    let failed = seeds.iter().chain(&mutated).find(fails)?;
    Some(format!("{name} fails with b\"{}\"", failed.escape_ascii()))
}

/// The same numbers every time (xorshift64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % most.max(1)
    }

    /// A piece of an input.
    fn piece(&mut self, of: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(of.len() + 1);
        let longest = if self.below(4) == 0 { of.len() } else { 8 };
        start..(start + self.below(longest + 1)).min(of.len())
    }

    /// One seed, changed in a few places by what fuzzers do: bytes are flipped, removed, repeated,
    /// and pieces of other seeds put in.
    fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            let place = self.below(input.len() + 1);
            let other = &seeds[self.below(seeds.len())];
            match self.below(6) {
                0 if place < input.len() => input[place] ^= 1 << self.below(8),
                1 => input.insert(place, u8::try_from(self.below(256)).unwrap()),
                2 => input.insert(place, SPECIAL[self.below(SPECIAL.len())]),
                3 => {
                    let piece = self.piece(&input);
                    input.drain(piece);
                }
                4 => {
                    let piece = input[self.piece(&input)].to_vec();
                    input.splice(place..place, piece);
                }
                _ => {
                    let piece = other[self.piece(other)].to_vec();
                    input.splice(place..place, piece);
                }
            }
        }
        input.truncate(LONGEST);
        input
    }
}
