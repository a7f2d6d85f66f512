//! One forged response for every way in which a response can be wrong.

use jiff::SignedDuration;
use sigillo_ers::{
    CmsError, Expectations, Imprint, RESPONSE_BYTES_MAX, ResponseError, TOKEN_BYTES_MAX,
    TRIAL_POLICY, TimeStampRequest, TimeStampToken, TokenError, Trust, check_response,
    verify_token,
};
use sigillo_model::Sha256Digest;

use crate::{
    forge::{
        CONTENT_TYPE, EXTENDED_KEY_USAGE, Forgery, KEY_USAGE, MESSAGE_DIGEST, Node,
        SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2, change_certificate, extensions,
    },
    world::{World, now, time},
};

const SUBJECT: &str = "CN=Sigillo TRIAL time-stamps";
const SHA_512: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3];
const SHA_1: &[u8] = &[0x2b, 14, 3, 2, 26];

/// Forges a response from a good one, signs it again, and checks it.
fn forge(change: impl FnOnce(&World, &mut Forgery)) -> Result<TimeStampToken, ResponseError> {
    forge_unsigned(|world, forgery| {
        change(world, forgery);
        forgery.sign(&world.tsa_key);
    })
}

fn forge_unsigned(
    change: impl FnOnce(&World, &mut Forgery),
) -> Result<TimeStampToken, ResponseError> {
    let world = World::new();
    let request = World::request();
    let mut forgery = Forgery::of_response(&world.response(&request, &[]));
    change(&world, &mut forgery);
    check_response(&forgery.response(), &world.expectations(&request))
}

#[track_caller]
fn check_cms(change: impl FnOnce(&World, &mut Forgery), expected: CmsError) {
    assert_eq!(forge(change), Err(ResponseError::Token(TokenError::Cms(expected))));
}

#[track_caller]
fn check_info(change: impl FnOnce(&mut Node), expected: TokenError) {
    let found = forge(|_, forgery| forgery.change_info(change));
    assert_eq!(found, Err(ResponseError::Token(expected)));
}

/// Replaces the certificate by one with other extensions, properly issued and named.
#[track_caller]
fn check_certificate(change: impl FnOnce(&mut Node), reason: &'static str) {
    let subject = SUBJECT.to_owned();
    check_cms(
        |world, forgery| {
            let der = change_certificate(&world.tsa, &world.root_key, |tbs| {
                change(extensions(tbs));
            });
            forgery.change_certificate(&der);
        },
        CmsError::WrongPurpose { subject, reason },
    );
}

#[test]
fn forging_nothing_changes_nothing() {
    let token = forge(|_, _| {}).unwrap();
    assert_eq!(token.verified().trust, Trust::Anchored { anchor: "trial".to_owned() });
    let renamed = |world: &World, forgery: &mut Forgery| {
        let der = change_certificate(&world.tsa, &world.root_key, |_| {});
        forgery.change_certificate(&der);
    };
    assert!(forge(renamed).is_ok());
    assert!(forge(|_, forgery| forgery.change_info(|_| {})).is_ok());
}

#[test]
fn what_the_request_asked_for_must_be_answered() {
    let world = World::new();
    let request = World::request();
    let response = world.response(&request, &[]);
    let check = |request: &TimeStampRequest| {
        check_response(&response, &world.expectations(request)).unwrap_err()
    };
    let nonce = [0, 0, 0, 0, 0, 0, 0, 9];
    let (found, expected) = ("008001020304050607".to_owned(), "09".to_owned());
    assert_eq!(
        check(&TimeStampRequest { nonce, ..request.clone() }),
        ResponseError::OtherNonce { found, expected }
    );
    let policy = Some("1.2.3.4".to_owned());
    let (found, expected) = (TRIAL_POLICY.to_owned(), "1.2.3.4".to_owned());
    assert_eq!(
        check(&TimeStampRequest { policy, ..request.clone() }),
        ResponseError::OtherPolicy { found, expected }
    );
    let expected = Imprint::from(Sha256Digest::of(b"other"));
    assert_eq!(
        check(&TimeStampRequest { imprint: expected.clone(), ..request.clone() }),
        ResponseError::Token(TokenError::OtherImprint { found: request.imprint, expected })
    );
}

#[test]
fn a_missing_nonce_is_another_nonce() {
    let found = forge(|_, forgery| {
        forgery.change_info(|info| {
            info.nodes.pop();
        });
    });
    let expected = "008001020304050607".to_owned();
    assert_eq!(found, Err(ResponseError::OtherNonce { found: "-".to_owned(), expected }));
}

#[test]
fn the_time_must_be_near_ours_either_way() {
    let world = World::new();
    let request = World::request();
    let response = world.response(&request, &[]);
    let tolerance = SignedDuration::from_mins(5);
    let second = SignedDuration::from_secs(1);
    for (away, good) in [
        (tolerance, true),
        (-tolerance, true),
        (tolerance + second, false),
        (-tolerance - second, false),
    ] {
        let at = now() + away;
        let expected = Expectations { at, ..world.expectations(&request) };
        let found = check_response(&response, &expected);
        let off = ResponseError::TimeOff { stamped_at: now(), at, tolerance };
        assert_eq!(found.map(|_| ()), if good { Ok(()) } else { Err(off) });
    }
}

#[test]
fn only_granted_responses_count() {
    let world = World::new();
    let request = World::request();
    let response = world.response(&request, &[]);
    let with_status = |status: &[u8]| {
        let mut node = Node::parse(&response);
        node.at(&[0, 0]).bytes = status.to_vec();
        check_response(&node.encode(), &world.expectations(&request)).map(|_| ())
    };
    assert_eq!(with_status(&[0]), Ok(()));
    assert_eq!(with_status(&[1]), Ok(()));
    for status in 2..=5 {
        let (failure, text) = ("-".to_owned(), String::new());
        let refused = ResponseError::Refused { status, failure, text };
        assert_eq!(with_status(&[status]), Err(refused));
    }
    assert_eq!(with_status(&[1, 0]), Err(ResponseError::Malformed { what: "a status" }));
    let mut empty = Node::parse(&response);
    empty.nodes.pop();
    let found = check_response(&empty.encode(), &world.expectations(&request));
    assert_eq!(found, Err(ResponseError::TokenMissing));
}

#[test]
fn large_responses_are_refused_unread() {
    let world = World::new();
    let request = World::request();
    let size_bytes = RESPONSE_BYTES_MAX + 1;
    let found = check_response(&vec![0x30; size_bytes], &world.expectations(&request));
    assert_eq!(found, Err(ResponseError::TooLarge { size_bytes }));
    let size_bytes = TOKEN_BYTES_MAX + 1;
    let found = verify_token(&vec![0x30; size_bytes], request.imprint, &world.anchors);
    let size_bytes_max = TOKEN_BYTES_MAX;
    assert_eq!(found, Err(TokenError::Cms(CmsError::TooLarge { size_bytes, size_bytes_max })));
}

#[test]
fn lengths_that_are_not_minimal_are_refused() {
    let world = World::new();
    let request = World::request();
    let response = world.response(&request, &[]);
    // 30 82 xx xx … becomes 30 83 00 xx xx …
    let padded = [&[0x30, 0x83, 0][..], &response[2..]].concat();
    assert_eq!(
        check_response(&padded, &world.expectations(&request)),
        Err(ResponseError::Malformed { what: "a length is not minimal" })
    );
}

#[test]
fn exactly_one_signer_is_accepted() {
    check_cms(
        |_, forgery| {
            let signer = forgery.signers().nodes[0].clone();
            forgery.signers().nodes.push(signer);
        },
        CmsError::SignerCount { count: 2 },
    );
    let none = forge_unsigned(|_, forgery| forgery.signers().nodes.clear());
    let expected = CmsError::SignerCount { count: 0 };
    assert_eq!(none, Err(ResponseError::Token(TokenError::Cms(expected))));
}

#[test]
fn every_signed_attribute_is_required_once() {
    for (oid, attribute) in [
        (CONTENT_TYPE, "contentType"),
        (MESSAGE_DIGEST, "messageDigest"),
        (SIGNING_CERTIFICATE_V2, "signingCertificateV2"),
    ] {
        check_cms(
            |_, forgery| {
                let attributes = forgery.attributes();
                attributes.nodes.remove(attributes.position_of(oid));
            },
            CmsError::MissingAttribute { attribute },
        );
    }
    let attribute = "1.2.840.113549.1.9.4".to_owned();
    let repeat = |_: &World, forgery: &mut Forgery| {
        let attributes = forgery.attributes();
        let copy = attributes.nodes[attributes.position_of(MESSAGE_DIGEST)].clone();
        attributes.nodes.push(copy);
    };
    check_cms(repeat, CmsError::RepeatedAttribute { attribute: attribute.clone() });
    let repeat_value = |_: &World, forgery: &mut Forgery| {
        let attributes = forgery.attributes();
        let values = attributes.at(&[attributes.position_of(MESSAGE_DIGEST), 1]);
        let copy = values.nodes[0].clone();
        values.nodes.push(copy);
    };
    check_cms(repeat_value, CmsError::RepeatedAttribute { attribute });
}

#[test]
fn without_signed_attributes_nothing_is_accepted() {
    let found = forge_unsigned(|_, forgery| {
        forgery.signers().nodes[0].nodes.remove(3);
    });
    let expected = CmsError::MissingAttribute { attribute: "contentType" };
    assert_eq!(found, Err(ResponseError::Token(TokenError::Cms(expected))));
}

#[test]
fn the_signed_digest_must_be_that_of_the_content() {
    check_cms(|_, forgery| forgery.set_digest(&[0; 32]), CmsError::DigestMismatch);
    check_cms(|_, forgery| forgery.set_digest(&[]), CmsError::DigestMismatch);
}

#[test]
fn the_content_must_be_a_time_stamp_inside_and_out() {
    let expected = "1.2.840.113549.1.9.16.1.4";
    let other = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 5];
    let found = "1.2.840.113549.1.9.16.1.5".to_owned();
    check_cms(
        |_, forgery| forgery.signed_data().at(&[2, 0]).bytes = other.to_vec(),
        CmsError::WrongContentType { found: found.clone(), expected },
    );
    check_cms(
        |_, forgery| {
            let attributes = forgery.attributes();
            let index = attributes.position_of(CONTENT_TYPE);
            attributes.at(&[index, 1, 0]).bytes = other.to_vec();
        },
        CmsError::WrongContentType { found, expected },
    );
    let data = vec![0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
    check_cms(
        |_, forgery| forgery.0.at(&[0]).bytes = data,
        CmsError::NotSignedData { found: "1.2.840.113549.1.7.1".to_owned() },
    );
}

#[test]
fn versions_go_with_what_is_inside() {
    for version in [0, 1, 4, 5] {
        check_cms(
            |_, forgery| forgery.signed_data().at(&[0]).bytes = vec![version],
            CmsError::WrongVersion { structure: "SignedData", expected: 3 },
        );
    }
    check_cms(
        |_, forgery| forgery.signers().at(&[0, 0]).bytes = vec![3],
        CmsError::WrongVersion { structure: "SignerInfo", expected: 1 },
    );
    check_info(|info| info.at(&[0]).bytes = vec![2], TokenError::UnknownVersion { found: 2 });
}

#[test]
fn the_signer_is_the_certificate_named_in_the_attributes() {
    check_cms(
        |_, forgery| forgery.certificates().nodes.clear(),
        CmsError::SignerCertificateMissing,
    );
    check_cms(
        |_, forgery| {
            let attributes = forgery.attributes();
            let index = attributes.position_of(SIGNING_CERTIFICATE_V2);
            attributes.at(&[index, 1, 0, 0, 0, 0]).bytes = vec![0; 32];
        },
        CmsError::SigningCertificateMismatch,
    );
    check_cms(
        |_, forgery| {
            let attributes = forgery.attributes();
            let index = attributes.position_of(SIGNING_CERTIFICATE_V2);
            attributes.at(&[index, 1, 0, 0, 0, 1, 1]).bytes = vec![1];
        },
        CmsError::SigningCertificateMismatch,
    );
    // The same key and names, another certificate: what the attribute is there to prevent.
    check_cms(
        |world, forgery| {
            let der = change_certificate(&world.tsa, &world.root_key, |_| {});
            forgery.certificates().nodes = vec![Node::parse(&der)];
        },
        CmsError::SigningCertificateMismatch,
    );
}

#[test]
fn a_certificate_named_by_sha_1_counts_in_old_tokens_only() {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

    let world = World::new();
    let request = World::request();
    let mut forgery = Forgery::of_response(&world.response(&request, &[]));
    let attributes = forgery.attributes();
    let index = attributes.position_of(SIGNING_CERTIFICATE_V2);
    attributes.at(&[index, 0]).bytes = SIGNING_CERTIFICATE.to_vec();
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &world.tsa).as_ref().to_vec();
    attributes.at(&[index, 1, 0, 0, 0, 0]).bytes = hash;
    forgery.sign(&world.tsa_key);
    let verified = verify_token(&forgery.token(), request.imprint.clone(), &world.anchors).unwrap();
    assert_eq!(verified.trust, Trust::Anchored { anchor: "trial".to_owned() });
    assert_eq!(
        check_response(&forgery.response(), &world.expectations(&request)),
        Err(ResponseError::Token(TokenError::Cms(CmsError::OldSigningCertificate)))
    );
    let index = forgery.attributes().position_of(SIGNING_CERTIFICATE);
    forgery.attributes().at(&[index, 1, 0, 0, 0, 0]).bytes[0] ^= 1;
    forgery.sign(&world.tsa_key);
    assert_eq!(
        verify_token(&forgery.token(), request.imprint.clone(), &world.anchors),
        Err(TokenError::Cms(CmsError::SigningCertificateMismatch))
    );
}

#[test]
fn the_certificate_must_be_for_time_stamping_alone_and_say_so_critically() {
    check_certificate(
        |extensions| {
            let index = extensions.position_of(EXTENDED_KEY_USAGE);
            extensions.at(&[index]).nodes.remove(1);
        },
        "the extended key usage is not critical",
    );
    check_certificate(
        |extensions| {
            let index = extensions.position_of(EXTENDED_KEY_USAGE);
            let mut purposes = Node::parse(&extensions.at(&[index, 2]).bytes);
            purposes.nodes.push(Node::leaf(6, &[0x2b, 6, 1, 5, 5, 7, 3, 4]));
            extensions.at(&[index, 2]).bytes = purposes.encode();
        },
        "the extended key usage is not time-stamping alone",
    );
    check_certificate(
        |extensions| {
            let index = extensions.position_of(EXTENDED_KEY_USAGE);
            extensions.nodes.remove(index);
        },
        "no extended key usage",
    );
    check_certificate(
        |extensions| {
            let index = extensions.position_of(KEY_USAGE);
            extensions.at(&[index, 2]).bytes = vec![3, 2, 5, 0x20];
        },
        "the key usage does not allow signing",
    );
}

#[test]
fn the_certificate_must_be_valid_at_the_time_stated() {
    for stamped_at in ["20251231235959Z", "20360101000001Z", "20360101000001.5Z"] {
        let found = forge(|_, forgery| {
            forgery.change_info(|info| info.at(&[4]).bytes = stamped_at.as_bytes().to_vec());
        });
        let Err(ResponseError::Token(TokenError::Cms(error))) = found else {
            panic!("{stamped_at}: {found:?}");
        };
        assert!(matches!(error, CmsError::OutsideValidity { .. }), "{error:?}");
    }
}

#[test]
fn times_with_fractions_are_read() {
    let stamp = |text: &str| {
        forge(|_, forgery| {
            forgery.change_info(|info| info.at(&[4]).bytes = text.as_bytes().to_vec());
        })
    };
    for (text, expected) in [
        ("20261125083015Z", "2026-11-25T08:30:15Z"),
        ("20261125083015.5Z", "2026-11-25T08:30:15.5Z"),
        ("20261125083015.000001Z", "2026-11-25T08:30:15.000001Z"),
        // Not as DER writes it, but signed so by some authorities, and clear.
        ("20261125083015.50Z", "2026-11-25T08:30:15.5Z"),
    ] {
        assert_eq!(stamp(text).unwrap().verified().stamped_at, time(expected));
    }
    for text in ["20261125083015", "20261125083015+0100", "202611250830Z", "20261325083015Z"] {
        let expected = TokenError::Malformed { what: "a time-stamp" };
        assert_eq!(stamp(text), Err(ResponseError::Token(expected)), "{text}");
    }
}

#[test]
fn a_wrong_signature_is_refused() {
    let by_another = forge_unsigned(|world, forgery| forgery.sign(&world.seal_key));
    let expected = ResponseError::Token(TokenError::Cms(CmsError::WrongSignature));
    assert_eq!(by_another, Err(expected));
}

#[test]
fn what_is_not_known_is_told_apart_from_what_is_wrong() {
    let unknown = |found: Result<TimeStampToken, ResponseError>| match found {
        Err(ResponseError::Token(error)) => error.is_unknown_algorithm(),
        other => panic!("{other:?}"),
    };
    // A signature algorithm: ecdsa-with-SHA1.
    assert!(unknown(forge(|_, forgery| {
        forgery.signers().at(&[0, 4, 0]).bytes = vec![0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1];
    })));
    // One that does not go with the key: sha256WithRSAEncryption.
    assert!(unknown(forge(|_, forgery| {
        let oid = vec![0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
        forgery.signers().at(&[0, 4, 0]).bytes = oid;
    })));
    // A digest algorithm: SHA-1.
    assert!(unknown(forge(|_, forgery| {
        forgery.signers().at(&[0, 2, 0]).bytes = SHA_1.to_vec();
        forgery.signed_data().at(&[1, 0, 0]).bytes = SHA_1.to_vec();
    })));
    // The hash function of the imprint.
    let found = "2.16.840.1.101.3.4.2.3".to_owned();
    let sha_512 = TokenError::UnknownHash { found };
    assert!(sha_512.is_unknown_algorithm());
    check_info(|info| info.at(&[2, 0, 0]).bytes = SHA_512.to_vec(), sha_512);
    // A critical extension.
    let extension = TokenError::UnknownExtension { found: "1.2.3".to_owned() };
    assert!(extension.is_unknown_algorithm());
    let add = |critical: bool| {
        move |info: &mut Node| {
            let mut fields = vec![Node::leaf(6, &[0x2a, 3]), Node::leaf(4, &[])];
            if critical {
                fields.insert(1, Node::leaf(1, &[0xff]));
            }
            info.nodes.push(Node::list(0xa1, vec![Node::list(0x30, fields)]));
        }
    };
    check_info(add(true), extension);
    assert!(forge(|_, forgery| forgery.change_info(add(false))).is_ok());
    // A wrong signature is none of these.
    assert!(!unknown(forge_unsigned(|world, forgery| forgery.sign(&world.seal_key))));
}

#[test]
fn a_digest_algorithm_that_was_not_announced_is_refused() {
    check_cms(
        |_, forgery| forgery.signed_data().at(&[1]).nodes.clear(),
        CmsError::Malformed { what: "the digest algorithm is not announced" },
    );
}

#[test]
fn null_parameters_are_as_good_as_none() {
    let null = Node::leaf(5, &[]);
    let found = forge(|_, forgery| {
        forgery.signers().at(&[0, 2]).nodes.push(null.clone());
        forgery.signed_data().at(&[1, 0]).nodes.push(null.clone());
        forgery.change_info(|info| info.at(&[2, 0]).nodes.push(null.clone()));
    });
    assert!(found.is_ok(), "{found:?}");
}

#[test]
fn a_signer_named_by_its_key_is_found() {
    let found = forge(|world, forgery| {
        let mut tbs = Node::parse(&world.tsa).at(&[0]).clone();
        let index = extensions(&mut tbs).position_of(&[0x55, 0x1d, 14]);
        let identifier = Node::parse(&extensions(&mut tbs).at(&[index, 1]).bytes).bytes;
        forgery.signers().at(&[0, 0]).bytes = vec![3];
        *forgery.signers().at(&[0, 1]) = Node::leaf(0x80, &identifier);
    });
    assert!(found.is_ok(), "{found:?}");
}
