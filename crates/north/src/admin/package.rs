//! The OceanConnect profile package (a zip with profile/devicetype-capability.json and service/*/profile/servicetype-capability.json): found,
//! bounded, unpacked in memory.
//!
//! Nothing is written to disk, so names in a package only select what is read. Names and texts are in UTF-8 or, as many editors in China write
//! them, in GBK.

use super::import::{Node, default_name, parsed, product_key, read_model, service};
use encoding_rs::GBK;
use landfall_core::ProductDraft;
use landfall_model::{DataFormat, Error, Lwm2mModel, RAW_DATA, Result, Service};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{Cursor, Read},
};
use zip::ZipArchive;

/// Greatest package.
pub(super) const PACKAGE_BYTES: usize = 4 * 1024 * 1024;
const ENTRIES_MAX: usize = 2_000;
const SERVICES_MAX: usize = 500;
const FILE_BYTES: u64 = 1024 * 1024;
const TOTAL_BYTES: u64 = 16 * 1024 * 1024;
const RATIO_MAX: u64 = 200;
/// Files up to this size may be as compressible as they like.
const RATIO_FREE_BYTES: u64 = 64 * 1024;

/// Bytes of a name.
const NAME_BYTES: usize = 512;
const PLUG_IN: &str = ".jar";
/// Where users read how a plug-in becomes a codec.
const PORTING: &str = "docs/codecs.md, \"From a Java plug-in\"";

const DEVICE_FILE: &str = "profile/devicetype-capability.json";
const SERVICE_FILE: &str = "/profile/servicetype-capability.json";

/// For fuzzing: reads `data` as a package and as a model, and only must not panic.
pub fn fuzz_profile_package(data: &[u8]) {
    let _ = read_package(data);
    let _ = read_model(data);
}

/// A profile package as it was read.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) draft: ProductDraft,
    /// What whoever imports it is to know.
    pub(super) notes: Vec<String>,
}

/// Reads a profile package. `InvalidField` names the file inside the zip and the place in it.
pub(super) fn read_package(bytes: &[u8]) -> Result<Package> {
    if bytes.len() > PACKAGE_BYTES {
        return Err(Error::invalid("package", "is larger than 4 MiB"));
    }
    let Unpacked { files, plug_in } = unpacked(bytes)?;
    let (device_file, root) = device_file(&files, plug_in.as_deref())?;
    let value = read(&files[device_file], device_file)?;
    let top = Node { value: &value, path: format!("{device_file}:"), strict: false };
    let devices = top.list("devices")?;
    let [device] = devices.as_slice() else {
        return Err(top.wrong("devices", "must hold exactly one device type"));
    };
    let key = product_key(device)?;
    let types = service_types(&files, &format!("{root}service/"))?;
    let services: Vec<Service> = match device.list("serviceTypeCapabilities")? {
        listed if listed.is_empty() => types.into_values().map(|(_, service)| service).collect(),
        listed => listed.iter().map(|capability| chosen(capability, &types)).collect::<Result<_>>()?,
    };
    let (name, lwm2m) = (default_name(&key), Lwm2mModel::default());
    // Frames as they are come from devices that send no JSON.
    let format = if services.iter().any(Service::is_raw) { DataFormat::Binary } else { DataFormat::Json };
    let notes = plug_in.iter().map(|name| format!("{name:.256} was left out: {}", cannot_run()));
    let notes = notes.collect();
    Ok(Package { draft: ProductDraft { name, key, format, services, lwm2m, auto_register: None, claims: None }, notes })
}

fn cannot_run() -> String {
    format!(
        "a Java plug-in cannot run here; write its decode and encode in JavaScript ({PORTING}) and load them with \
         landfall codec upload"
    )
}

/// The service of a capability, under the id that the capability gives it.
fn chosen(capability: &Node<'_>, types: &BTreeMap<String, (String, Service)>) -> Result<Service> {
    let service_id = capability.needed("serviceId")?;
    let service_type = capability.text("serviceType")?.unwrap_or_else(|| service_id.clone());
    let built_in = || (service_type == RAW_DATA).then(Service::raw_data);
    let found = types.get(&service_type).map(|(_, service)| service.clone()).or_else(built_in).ok_or_else(|| {
        let rule = format!("no service/*{SERVICE_FILE} in the package defines the service type {service_type:.64}");
        Error::invalid(capability.join("serviceType"), rule)
    })?;
    let option = capability.text("option")?.unwrap_or_else(|| found.option.clone());
    Ok(Service { service_id, service_type, option, ..found })
}

/// Every service type of the package, with the file that defines it.
fn service_types(files: &BTreeMap<String, Vec<u8>>, root: &str) -> Result<BTreeMap<String, (String, Service)>> {
    let mut types: BTreeMap<String, (String, Service)> = BTreeMap::new();
    for (name, bytes) in files.iter().filter(|(name, _)| name.starts_with(root) && name.ends_with(SERVICE_FILE)) {
        let value = read(bytes, name)?;
        let top = Node { value: &value, path: format!("{name}:"), strict: false };
        for node in top.list("services")? {
            let service_type = node.needed("serviceType")?;
            let read = service(&node, Some(&service_type))?;
            if let Some((other, _)) = types.insert(service_type, (name.clone(), read)) {
                return Err(Error::invalid(node.join("serviceType"), format!("is defined in {other:.128} too")));
            }
            if types.len() > SERVICES_MAX {
                return Err(Error::invalid(name.clone(), "is one service too many: at most 500 are allowed"));
            }
        }
    }
    Ok(types)
}

/// The device type file and the folder that it counts from: some tools pack the profile with its folder around it.
fn device_file<'a>(files: &'a BTreeMap<String, Vec<u8>>, plug_in: Option<&str>) -> Result<(&'a str, &'a str)> {
    let mut found = files.keys().filter_map(|name| {
        let root = name.strip_suffix(DEVICE_FILE)?;
        (root.is_empty() || root.ends_with('/')).then_some((name.as_str(), root))
    });
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some((other, _))) => Err(Error::invalid(other.to_owned(), "is a second device type; pack one profile a file")),
        (None, _) => Err(match plug_in {
            Some(name) => Error::invalid(name.to_owned(), format!("is no profile: {}", cannot_run())),
            None => Error::invalid(DEVICE_FILE, "is missing in the package"),
        }),
    }
}

/// What a zip holds that counts.
struct Unpacked {
    /// The capability files by name; all others are not even unpacked.
    files: BTreeMap<String, Vec<u8>>,
    /// The first Java plug-in.
    plug_in: Option<String>,
}

fn unpacked(bytes: &[u8]) -> Result<Unpacked> {
    let broken = |error: zip::result::ZipError| Error::invalid("package", format!("is no readable zip: {error}"));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    if archive.len() > ENTRIES_MAX {
        return Err(Error::invalid("package", "has more than 2000 entries"));
    }
    let (mut files, mut plug_in) = (BTreeMap::new(), None);
    let mut total = 0;
    for n in 0..archive.len() {
        let mut entry = archive.by_index(n).map_err(broken)?;
        // The second byte of a character in GBK may be a backslash.
        let name = decoded(entry.name_raw(), "package", "a name in it")?.replace('\\', "/");
        if plug_in.is_none() && name.ends_with(PLUG_IN) {
            plug_in = Some(name.clone());
        }
        if !name.ends_with(DEVICE_FILE) && !name.ends_with(SERVICE_FILE) {
            continue;
        }
        if name.len() > NAME_BYTES {
            return Err(Error::invalid("package", "holds a name of more than 512 bytes"));
        }
        let packed = entry.compressed_size();
        let content = bounded(&mut entry, &name, packed)?;
        total += content.len() as u64;
        if total > TOTAL_BYTES {
            return Err(Error::invalid("package", "unpacks to more than 16 MiB"));
        }
        if files.insert(name.clone(), content).is_some() {
            return Err(Error::invalid(name, "stands twice in the package"));
        }
    }
    Ok(Unpacked { files, plug_in })
}

/// The JSON of a file.
fn read(bytes: &[u8], file: &str) -> Result<serde_json::Value> {
    parsed(decoded(bytes, file, "the text")?.as_bytes(), file)
}

/// A text in UTF-8, else in GBK.
fn decoded<'a>(bytes: &'a [u8], place: &str, what: &str) -> Result<Cow<'a, str>> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(Cow::Borrowed(text)),
        Err(error) => error,
    };
    GBK.decode_without_bom_handling_and_without_replacement(bytes).ok_or_else(|| {
        let rule = format!("{what} is neither in UTF-8 (wrong at byte {}) nor in GBK", error.valid_up_to());
        Error::invalid(place.to_owned(), rule)
    })
}

/// Unpacks one file. The sizes a zip declares are not trusted: what comes out is counted.
fn bounded(entry: &mut impl Read, name: &str, packed: u64) -> Result<Vec<u8>> {
    let mut content = vec![];
    let read = entry.take(FILE_BYTES + 1).read_to_end(&mut content);
    read.map_err(|error| Error::invalid(name.to_owned(), format!("cannot be unpacked: {error}")))?;
    let size = content.len() as u64;
    if size > FILE_BYTES {
        return Err(Error::invalid(name.to_owned(), "is larger than 1 MiB"));
    }
    if size > RATIO_FREE_BYTES && size / packed.max(1) > RATIO_MAX {
        return Err(Error::invalid(name.to_owned(), "is packed more than 200 to 1"));
    }
    Ok(content)
}
