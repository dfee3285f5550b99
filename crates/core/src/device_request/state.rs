//! How a request changes (Cumulocity contract, section 2): what its account and its device ask for, decided without doing it.

use landfall_model::{Cause, DeviceRequest, Digest, Error, PasswordHash, RequestState, Result};

/// What is done for a device that asks for its credentials.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    /// Nothing yet; the request as it is to be kept, where it changes.
    Wait(Option<DeviceRequest>),
    /// Nothing, as it shows another token than the one it was accepted with.
    OtherToken,
    /// Credentials are issued, together with the request as it is to be kept: so two that ask at once do not both get some that hold.
    Issue(DeviceRequest),
}

/// A device asks and shows this token, if any. Until it is accepted, the last token counts.
pub(super) fn asked(request: &DeviceRequest, token: Option<Digest>) -> Asked {
    match request.state {
        RequestState::WaitingForConnection => {
            Asked::Wait(Some(DeviceRequest { state: RequestState::PendingAcceptance, token, ..next(request) }))
        }
        RequestState::PendingAcceptance => {
            Asked::Wait((request.token != token).then(|| DeviceRequest { token, ..next(request) }))
        }
        RequestState::Accepted if request.token.is_some_and(|needed| token != Some(needed)) => Asked::OtherToken,
        RequestState::Accepted => Asked::Issue(next(request)),
    }
}

/// Its account accepts it, with a token that the device must have shown, if any. `None`: it is accepted already. `DeviceNotAsked`; `InvalidField`
/// where the token is another, or is missing where it is demanded.
pub(super) fn accepted(request: &DeviceRequest, token: Option<Digest>, demanded: bool) -> Result<Option<DeviceRequest>> {
    if request.state == RequestState::WaitingForConnection {
        return Err(Error::new(Cause::DeviceNotAsked, "the device did not ask for its credentials yet"));
    }
    if token.is_none() && demanded && request.state == RequestState::PendingAcceptance {
        return Err(Error::invalid("securityToken", "must be given: devices are accepted with the token that they show"));
    }
    if token.is_some() && token != request.token {
        return Err(Error::invalid("securityToken", "is not the token that the device showed"));
    }
    let accepted = || DeviceRequest { state: RequestState::Accepted, token, ..next(request) };
    Ok((request.state == RequestState::PendingAcceptance).then(accepted))
}

/// The request with one more password that was issued for it.
pub(super) fn issued(mut request: DeviceRequest, password: PasswordHash) -> DeviceRequest {
    request.issued.push(password);
    let spare = request.issued.len().saturating_sub(DeviceRequest::ISSUED);
    request.issued.drain(..spare);
    request
}

fn next(request: &DeviceRequest) -> DeviceRequest {
    DeviceRequest { version: request.version + 1, ..request.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RequestState::{Accepted, PendingAcceptance, WaitingForConnection};
    use landfall_model::{AccountId, Time};

    const ONE: Option<Digest> = Some(Digest([1; 32]));
    const OTHER: Option<Digest> = Some(Digest([2; 32]));

    fn request(state: RequestState, token: Option<Digest>) -> DeviceRequest {
        let (id, account, owner) = ("1234".into(), AccountId::from_random([1; 16]), "ann".into());
        DeviceRequest { id, account, version: 3, state, owner, extras: None, token, issued: vec![], created_at: Time(0) }
    }

    fn kept(state: RequestState, token: Option<Digest>) -> DeviceRequest {
        DeviceRequest { version: 4, ..request(state, token) }
    }

    #[test]
    fn a_device_that_asks() {
        let cases = [
            (WaitingForConnection, None, None, Asked::Wait(Some(kept(PendingAcceptance, None)))),
            (WaitingForConnection, None, ONE, Asked::Wait(Some(kept(PendingAcceptance, ONE)))),
            (PendingAcceptance, None, None, Asked::Wait(None)),
            (PendingAcceptance, ONE, ONE, Asked::Wait(None)),
            (PendingAcceptance, ONE, OTHER, Asked::Wait(Some(kept(PendingAcceptance, OTHER)))),
            (PendingAcceptance, ONE, None, Asked::Wait(Some(kept(PendingAcceptance, None)))),
            (Accepted, None, None, Asked::Issue(kept(Accepted, None))),
            (Accepted, None, ONE, Asked::Issue(kept(Accepted, None))),
            (Accepted, ONE, ONE, Asked::Issue(kept(Accepted, ONE))),
            (Accepted, ONE, OTHER, Asked::OtherToken),
            (Accepted, ONE, None, Asked::OtherToken),
        ];
        for (state, known, shown, expected) in cases {
            assert_eq!(asked(&request(state, known), shown), expected, "{state:?} {known:?} {shown:?}");
        }
    }

    #[test]
    fn an_account_that_accepts() {
        let (not_asked, field) = (Err(Cause::DeviceNotAsked), Err(Cause::InvalidField));
        let cases = [
            (WaitingForConnection, None, None, false, not_asked.clone()),
            (WaitingForConnection, None, ONE, true, not_asked),
            (PendingAcceptance, None, None, false, Ok(Some(kept(Accepted, None)))),
            (PendingAcceptance, ONE, None, false, Ok(Some(kept(Accepted, None)))),
            (PendingAcceptance, ONE, ONE, false, Ok(Some(kept(Accepted, ONE)))),
            (PendingAcceptance, ONE, ONE, true, Ok(Some(kept(Accepted, ONE)))),
            (PendingAcceptance, ONE, OTHER, false, field.clone()),
            (PendingAcceptance, None, ONE, false, field.clone()),
            (PendingAcceptance, ONE, None, true, field.clone()),
            (Accepted, ONE, ONE, true, Ok(None)),
            (Accepted, ONE, None, true, Ok(None)),
            (Accepted, ONE, OTHER, false, field),
        ];
        for (state, shown, given, demanded, expected) in cases {
            let found = accepted(&request(state, shown), given, demanded).map_err(|error| error.cause);
            assert_eq!(found, expected, "{state:?} {shown:?} {given:?} {demanded}");
        }
    }
}
