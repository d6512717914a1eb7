//! Randomness of the operating system, in the shapes that Django uses.

use aws_lc_rs::rand;

use super::NoRandomness;

/// `N` random bytes.
///
/// # Errors
/// If the operating system has none to give.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// `length` characters of `a-zA-Z0-9`, Django's `get_random_string`.
///
/// # Errors
/// If the operating system has no randomness to give.
pub fn random_text(length: usize) -> Result<String, NoRandomness> {
    const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut text = String::with_capacity(length);
    while text.len() < length {
        // Bytes from 248 on would favour the first letters; they are thrown away.
        let fair = random_bytes::<32>()?.into_iter().filter(|byte| *byte < 248);
        text.extend(
            fair.filter_map(|byte| ALPHABET.get(usize::from(byte % 62))).map(|b| char::from(*b)),
        );
    }
    text.truncate(length);
    Ok(text)
}
