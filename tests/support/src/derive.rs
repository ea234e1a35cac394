// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Keys and ECDSA signatures that are the same each time.
//!
//! **In:** a seed. **Out:** a key that follows from it, and signatures that follow from key and
//! message, so that an image made today is the image made tomorrow, byte for byte. **Refuses:**
//! nothing. The seeds are public: nobody may trust such a key.

use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::ec::{EcGroup, EcGroupRef, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::X509;

use crate::noise;
use crate::sign::der;

/// A seed that follows from a text: FNV-1a.
pub(crate) fn seed_of(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// An RSA key of `bits` bits.
pub(crate) fn rsa(seed: u64, bits: u32, exponent: u32) -> PKey<Private> {
    let (e, one) = (BigNum::from_u32(exponent).unwrap(), BigNum::from_u32(1).unwrap());
    let p = prime(seed ^ 1, bits / 2, &e);
    let q = prime(seed ^ 2, bits - bits / 2, &e);
    let mut context = BigNumContext::new().unwrap();
    let less_one = |it: &BigNumRef| sub(it, &one);
    let (p1, q1) = (less_one(&p), less_one(&q));
    let n = &p * &q;
    let mut d = BigNum::new().unwrap();
    d.mod_inverse(&e, &(&p1 * &q1), &mut context).unwrap();
    let (dmp1, dmq1) = (&d % &p1, &d % &q1);
    let mut iqmp = BigNum::new().unwrap();
    iqmp.mod_inverse(&q, &p, &mut context).unwrap();
    let key = Rsa::from_private_components(n, e, d, p, q, dmp1, dmq1, iqmp).unwrap();
    assert!(key.check_key().unwrap());
    PKey::from_rsa(key).unwrap()
}

fn sub(a: &BigNumRef, b: &BigNumRef) -> BigNum {
    let mut difference = BigNum::new().unwrap();
    difference.checked_sub(a, b).unwrap();
    difference
}

/// The first prime behind a number that follows from the seed, its two top bits set.
fn prime(seed: u64, bits: u32, e: &BigNumRef) -> BigNum {
    let mut context = BigNumContext::new().unwrap();
    let mut candidate = BigNum::from_slice(&noise(seed, (bits / 8) as usize)).unwrap();
    for bit in [bits - 1, bits - 2, 0] {
        candidate.set_bit(bit as i32).unwrap();
    }
    let one = BigNum::from_u32(1).unwrap();
    loop {
        let mut gcd = BigNum::new().unwrap();
        gcd.gcd(&sub(&candidate, &one), e, &mut context).unwrap();
        if gcd == one && candidate.is_prime_fasttest(32, &mut context, true).unwrap() {
            return candidate;
        }
        candidate.add_word(2).unwrap();
    }
}

/// A key on a NIST curve.
pub(crate) fn ec(seed: u64, curve: Nid) -> PKey<Private> {
    let group = EcGroup::from_curve_name(curve).unwrap();
    let secret = scalar(seed, &group);
    let mut context = BigNumContext::new().unwrap();
    let mut public = EcPoint::new(&group).unwrap();
    public.mul_generator2(&group, &secret, &mut context).unwrap();
    PKey::from_ec_key(EcKey::from_private_components(&group, &secret, &public).unwrap()).unwrap()
}

/// An Ed25519 key.
pub(crate) fn ed25519(seed: u64) -> PKey<Private> {
    PKey::private_key_from_raw_bytes(&noise(seed, 32), Id::ED25519).unwrap()
}

/// A number from 1 to the group's order less one.
fn scalar(seed: u64, group: &EcGroupRef) -> BigNum {
    let mut order = BigNum::new().unwrap();
    order.copy_from_slice(&order_of(group)).unwrap();
    order.sub_word(1).unwrap();
    let wide = BigNum::from_slice(&noise(seed, 80)).unwrap();
    let mut number = &wide % &order;
    number.add_word(1).unwrap();
    number
}

fn order_of(group: &EcGroupRef) -> Vec<u8> {
    let (mut order, mut context) = (BigNum::new().unwrap(), BigNumContext::new().unwrap());
    group.order(&mut order, &mut context).unwrap();
    order.to_vec()
}

/// ECDSA (FIPS 186-5, 6.4.1) with a nonce that follows from key and digest.
pub(crate) fn ecdsa(key: &PKey<Private>, digest: MessageDigest, message: &[u8]) -> Vec<u8> {
    let key = key.ec_key().unwrap();
    let (group, secret) = (key.group(), key.private_key());
    let hash = openssl::hash::hash(digest, message).unwrap();
    let order = BigNum::from_slice(&order_of(group)).unwrap();
    let mut context = BigNumContext::new().unwrap();
    let mut z = BigNum::from_slice(&hash).unwrap();
    let excess = hash.len() as i32 * 8 - order.num_bits();
    if excess > 0 {
        let whole = BigNum::from_slice(&hash).unwrap();
        z.rshift(&whole, excess).unwrap();
    }
    let seed = [&secret.to_vec()[..], &hash].concat();
    let seed = openssl::sha::sha256(&seed);
    let nonce = scalar(u64::from_le_bytes(seed[..8].try_into().unwrap()), group);
    let mut point = EcPoint::new(group).unwrap();
    point.mul_generator2(group, &nonce, &mut context).unwrap();
    let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
    point.affine_coordinates(group, &mut x, &mut y, &mut context).unwrap();
    let r = &x % &order;
    let mut inverse = BigNum::new().unwrap();
    inverse.mod_inverse(&nonce, &order, &mut context).unwrap();
    let sum = &(&r * secret) + &z;
    let s = &(&(&sum % &order) * &inverse) % &order;
    EcdsaSig::from_private_components(r, s).unwrap().to_der().unwrap()
}

/// The same certificate with a signature that is the same each time.
pub(crate) fn resign(certificate: &X509, key: &PKey<Private>) -> X509 {
    let whole = certificate.to_der().unwrap();
    let (tbs, rest) = element(content(&whole));
    let (algorithm, _) = element(rest);
    let signature = ecdsa(key, MessageDigest::sha256(), tbs);
    X509::from_der(&der(0x30, &[tbs, algorithm, &der(3, &[&[0], &signature])])).unwrap()
}

/// Bytes of the header of the first DER element, and of the whole of it.
fn measure(bytes: &[u8]) -> (usize, usize) {
    match bytes[1] {
        short @ 0..128 => (2, 2 + usize::from(short)),
        long => {
            let digits = usize::from(long & 0x7F);
            let len = bytes[2..2 + digits].iter().fold(0, |len, it| len << 8 | usize::from(*it));
            (2 + digits, 2 + digits + len)
        }
    }
}

fn content(bytes: &[u8]) -> &[u8] {
    let (header, len) = measure(bytes);
    &bytes[header..len]
}

fn element(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.split_at(measure(bytes).1)
}

#[cfg(test)]
mod tests {
    use openssl::sign::Verifier;

    use super::*;

    #[test]
    fn keys_follow_from_their_seed_and_signatures_from_key_and_message() {
        for curve in [Nid::X9_62_PRIME256V1, Nid::SECP384R1, Nid::SECP521R1] {
            let key = ec(7, curve);
            assert!(ec(7, curve).public_eq(&key) && !ec(8, curve).public_eq(&key));
            for digest in [MessageDigest::sha256(), MessageDigest::sha512()] {
                let signature = ecdsa(&key, digest, b"message");
                assert_eq!(signature, ecdsa(&key, digest, b"message"));
                let mut verifier = Verifier::new(digest, &key).unwrap();
                assert!(verifier.verify_oneshot(&signature, b"message").unwrap());
            }
        }
        assert!(rsa(7, 1024, 65537).public_eq(&rsa(7, 1024, 65537)));
        assert!(!rsa(7, 1024, 65537).public_eq(&rsa(8, 1024, 65537)));
        assert!(ed25519(7).public_eq(&ed25519(7)));
    }
}
