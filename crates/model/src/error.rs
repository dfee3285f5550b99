//! The closed set of errors. A dialect owns one table from `Cause` to its own status, code and text.

use std::{borrow::Cow, fmt};

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why something was refused or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The exact cause.
    pub cause: Cause,
    /// The failing field or path, as the caller wrote it.
    pub path: Option<Cow<'static, str>>,
    /// For people: what was wrong and what would be right. Never holds a credential.
    pub detail: Cow<'static, str>,
}

impl Error {
    /// An error without a path.
    pub fn new(cause: Cause, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { cause, path: None, detail: detail.into() }
    }

    /// An invalid field.
    pub fn invalid(path: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { cause: Cause::InvalidField, path: Some(path.into()), detail: detail.into() }
    }

    /// The same error about `path`.
    pub fn at(mut self, path: impl Into<Cow<'static, str>>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Its class.
    pub fn kind(&self) -> ErrorKind {
        self.cause.kind()
    }

    /// Whether it says nothing about what was asked: the server or its database failed, or has too much to do. The same may work later.
    pub fn is_ours(&self) -> bool {
        matches!(self.kind(), ErrorKind::Internal | ErrorKind::Unavailable)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{path}: {}", self.detail),
            None => f.write_str(&self.detail),
        }
    }
}

impl std::error::Error for Error {}

/// Classes of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ErrorKind {
    NotFound,
    Conflict,
    Invalid,
    Denied,
    Unavailable,
    Limit,
    Internal,
}

macro_rules! causes {
    ($($(#[$doc:meta])* $kind:ident $name:ident;)*) => {
        /// Machine-readable causes, each of one class.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Cause {$($(#[$doc])* $name,)*}

        impl Cause {
            /// Every cause.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its class.
            pub fn kind(self) -> ErrorKind {
                match self {$(Self::$name => ErrorKind::$kind,)*}
            }

            /// Its stable name for operators and programs.
            pub fn as_str(self) -> &'static str {
                match self {$(Self::$name => stringify!($name),)*}
            }
        }
    };
}

causes! {
    /// No account of this id or name.
    NotFound AccountNotFound;
    /// No application of this id (100203).
    NotFound AppNotFound;
    /// No device of this id on the server (100403).
    NotFound DeviceNotFound;
    /// The device is not the caller's: of another application or account (100418).
    NotFound DeviceForeign;
    /// No product of this id or these keys (600002).
    NotFound ProductNotFound;
    /// No subscription of this id or filter (100225).
    NotFound SubscriptionNotFound;
    /// The product model has no such service (100444).
    NotFound ServiceNotFound;
    /// The device has no product (100425).
    NotFound ModelNotFound;
    /// No command of this id (100434).
    NotFound CommandNotFound;
    /// The product has no codec.
    NotFound CodecNotFound;
    /// No user of this name in the account.
    NotFound UserNotFound;
    /// No such resource of the tree (RSC 4004).
    NotFound ResourceNotFound;
    /// No request for the credentials of such a device.
    NotFound DeviceRequestNotFound;
    /// There are no credentials for the device yet: its request is not accepted, or it showed another token.
    NotFound CredentialsNotReady;
    /// A nodeId that another device has (100426).
    Conflict NodeIdTaken;
    /// A name that another record has.
    Conflict NameTaken;
    /// A resource name that another resource below the same parent has (RSC 4105).
    Conflict ResourceExists;
    /// Product keys that another product has.
    Conflict ProductExists;
    /// An application that still owns devices.
    Conflict AppInUse;
    /// A product that devices still use.
    Conflict ProductInUse;
    /// The credentials of such a device are asked for already.
    Conflict DeviceRequestExists;
    /// A request that cannot be accepted, as its device did not ask yet.
    Conflict DeviceNotAsked;
    /// A subscription of the same kind and scope (100227).
    Conflict SubscriptionExists;
    /// The command is over or on its way, so it cannot be canceled (100435).
    Conflict CommandNotPending;
    /// The device must be activated first (100610).
    Conflict DeviceNotActive;
    /// The device must be offline (100611).
    Conflict DeviceOnline;
    /// The device comes by an access that takes nothing that waits for it (100428).
    Conflict TakesNoWork;
    /// A job whose state does not allow it.
    Conflict JobNotReady;
    /// The record changed meanwhile; read it again and decide anew.
    Conflict Stale;
    /// A field that is missing, of the wrong form or out of its range.
    Invalid InvalidField;
    /// A command that the service does not have (102203).
    Invalid CommandUnknown;
    /// The service has no properties that could be set (107002).
    Invalid PropertiesEmpty;
    /// A property that the service does not have, or that is bound to no LwM2M resource (107003).
    Invalid PropertyUnknown;
    /// A callback address that is no http or https address, or points where pushes must not go (100222).
    Invalid CallbackInvalid;
    /// A codec or its sample frames do not work.
    Invalid CodecFailed;
    /// A resource of this type cannot be below that one (RSC 4108).
    Invalid ChildNotAllowed;
    /// The resource cannot do this (RSC 4005).
    Invalid OperationNotAllowed;
    /// More than the container may hold at all (RSC 5207).
    Invalid ContentTooLarge;
    /// A subscriber did not accept the verification of a new subscription (RSC 5204).
    Invalid VerificationFailed;
    /// A payload that does not fit the product model or the message format.
    Invalid PayloadInvalid;
    /// No or a wrong credential.
    Denied Unauthenticated;
    /// The application is frozen (100449).
    Denied AppFrozen;
    /// The application is not authorized to act for the other one (100217).
    Denied AppNotAuthorized;
    /// The principal may not do this.
    Denied Forbidden;
    /// The command is shielded (100432).
    Denied CommandMuted;
    /// The property is read-only (100443).
    Denied PropertyReadOnly;
    /// The device was not seen for so long that it takes no more commands (100612).
    Denied DeviceZombie;
    /// The device has no connection (100428).
    Unavailable DeviceOffline;
    /// The device's gateway has no connection (100450).
    Unavailable GatewayOffline;
    /// Too much is under way; try again.
    Unavailable Overloaded;
    /// The server is stopping.
    Unavailable Stopping;
    /// More calls a minute than allowed (1010009).
    Limit Throttled;
    /// The application owns as many devices as it may (100412).
    Limit DeviceLimit;
    /// The group has as many devices as it may, or would have more (100601).
    Limit GroupFull;
    /// The device has as many pending commands as it may (100223).
    Limit CommandLimit;
    /// A table or list is full.
    Limit TooMany;
    /// A fault of the server or its database.
    Internal Internal;
}
