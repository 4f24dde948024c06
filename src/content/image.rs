//! OCI images: layers, configuration, manifest, a layout on disk; making them and unpacking them.
//!
//! The same files make the same bytes: members are sorted, belong to root and have no time. Everything a manifest names
//! is a blob; who stores or sends them is not decided here. Foreign images are read too (Docker's media types, layers
//! with whiteouts), as hostile input: unpacking never leaves its folder and never writes through a link.
//!
//! Sources: the OCI image specification 1.1 (config.md, manifest.md, layer.md, image-layout.md).

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use flate2::Compression;
use flate2::GzBuilder;
use flate2::write::GzEncoder;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;

use crate::content::blobs::Digest;
use crate::content::blobs::HashingWriter;

mod unpacking;

pub use unpacking::Limits;
pub use unpacking::unpack_layer;

/// Media type of a manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of a configuration.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Media type of a compressed layer.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// Docker's media type of a manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Names a blob: `{mediaType, digest, size}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: String,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    /// Names these bytes.
    pub fn of(media_type: &str, bytes: &[u8]) -> Descriptor {
        Descriptor {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes).to_string(),
            size: bytes.len() as u64,
            annotations: None,
        }
    }
}

/// What an image consists of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

impl Manifest {
    /// An OCI manifest of these blobs.
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Manifest {
        Manifest {
            schema_version: 2,
            media_type: MANIFEST.to_owned(),
            config,
            layers,
        }
    }

    /// Its bytes, whose digest is the image's name.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain data")
    }
}

/// The configuration: how its processes run, what its layers are unpacked, how it came to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Configuration {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created: String,
    pub architecture: String,
    pub os: String,
    pub config: Settings,
    pub rootfs: RootFs,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Value>,
}

/// How the processes of an image run. Empty lists and texts mean "nothing said".
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Settings {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub exposed_ports: BTreeMap<String, Value>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
}

/// Docker writes `null` for what is empty.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Settings {
    /// The environment as pairs; a variable without `=` is empty.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.env
            .iter()
            .map(|one| one.split_once('=').unwrap_or((one, "")))
    }

    /// Sets a variable, in the place it had.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        let line = format!("{name}={value}");
        let known = self
            .env
            .iter_mut()
            .find(|one| one.split_once('=').map_or(one.as_str(), |(name, _)| name) == name);
        match known {
            Some(known) => *known = line,
            None => self.env.push(line),
        }
    }

    /// The ports it exposes by TCP.
    pub fn ports(&self) -> Vec<u16> {
        let ports = self.exposed_ports.keys();
        ports
            .filter_map(|port| match port.split_once('/') {
                Some((port, "tcp")) => port.parse().ok(),
                Some(_) => None,
                None => port.parse().ok(),
            })
            .collect()
    }
}

/// The layers by the digests of what they are unpacked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RootFs {
    #[serde(rename = "type")]
    pub kind: String,
    pub diff_ids: Vec<String>,
}

impl Configuration {
    /// The configuration of an image without layers, for the machine that this program is built for.
    pub fn new(settings: Settings, created: &str) -> Configuration {
        Configuration {
            created: created.to_owned(),
            architecture: architecture().to_owned(),
            os: "linux".to_owned(),
            config: settings,
            rootfs: RootFs {
                kind: "layers".to_owned(),
                diff_ids: Vec::new(),
            },
            history: Vec::new(),
        }
    }

    /// Adds a layer on top.
    pub fn add_layer(&mut self, layer: &Layer, created: &str, by: &str) {
        self.rootfs.diff_ids.push(layer.diff_id.to_string());
        self.history
            .push(json!({"created": created, "created_by": by}));
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain data")
    }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// A layer that was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Of the compressed bytes.
    pub digest: Digest,
    pub size: u64,
    /// Of the bytes before compression.
    pub diff_id: Digest,
}

impl Layer {
    /// What a manifest says of it.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            media_type: LAYER.to_owned(),
            digest: self.digest.to_string(),
            size: self.size,
            annotations: None,
        }
    }
}

/// A small image held whole.
#[derive(Clone, Debug)]
pub struct Image {
    /// The digest of its manifest.
    pub digest: Digest,
    pub manifest: Vec<u8>,
    pub configuration: Configuration,
    /// Everything the manifest names: the configuration and the layers.
    pub blobs: Vec<Vec<u8>>,
}

impl Image {
    /// An image of one layer.
    pub fn new(settings: Settings, layer: (Layer, Vec<u8>), created: &str, by: &str) -> Image {
        let (layer, bytes) = layer;
        let mut configuration = Configuration::new(settings, created);
        configuration.add_layer(&layer, created, by);
        let config = configuration.to_bytes();
        let manifest = Manifest::new(Descriptor::of(CONFIG, &config), vec![layer.descriptor()]);
        let manifest = manifest.to_bytes();
        Image {
            digest: Digest::of(&manifest),
            manifest,
            configuration,
            blobs: vec![config, bytes],
        }
    }
}

/// Writes one layer, member by member, in the order they are added.
pub struct LayerWriter<W: Write> {
    tar: tar::Builder<HashingWriter<GzEncoder<HashingWriter<W>>>>,
}

impl<W: Write> LayerWriter<W> {
    /// A layer whose compressed bytes go to `out`.
    pub fn new(out: W) -> LayerWriter<W> {
        // No time and no name in the header, so that only the content decides the digest.
        let gzip = GzBuilder::new()
            .mtime(0)
            .write(HashingWriter::new(out), Compression::new(6));
        LayerWriter {
            tar: tar::Builder::new(HashingWriter::new(gzip)),
        }
    }

    /// Adds a folder.
    pub fn folder(&mut self, path: &Path, mode: u32) -> io::Result<()> {
        let mut header = header(tar::EntryType::Directory, mode, 0);
        let mut named = path.as_os_str().to_owned();
        named.push("/");
        self.tar.append_data(&mut header, named, io::empty())
    }

    /// Adds a file of exactly `size` bytes.
    pub fn file(
        &mut self,
        path: &Path,
        mode: u32,
        size: u64,
        content: impl Read,
    ) -> io::Result<()> {
        let mut header = header(tar::EntryType::Regular, mode, size);
        let mut content = Counted {
            inner: content.take(size),
            left: size,
        };
        self.tar.append_data(&mut header, path, &mut content)?;
        match content.left {
            0 => Ok(()),
            _ => Err(io::Error::other(format!(
                "{} became shorter",
                path.display()
            ))),
        }
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &Path, target: &Path) -> io::Result<()> {
        let mut header = header(tar::EntryType::Symlink, 0o777, 0);
        self.tar.append_link(&mut header, path, target)
    }

    /// Adds what is in the folder `root/below` under the same path, sorted; `below` and its parents as folders first.
    ///
    /// Links that lead to an absolute place below `root` are made relative, so that the layer works wherever it is
    /// unpacked. Sockets, pipes and devices are left out.
    pub fn tree(&mut self, root: &Path, below: &Path) -> io::Result<()> {
        let mut parents: Vec<&Path> = below.ancestors().collect();
        parents.reverse();
        for parent in parents
            .iter()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            self.folder(parent, 0o755)?;
        }
        self.inside(root, below)
    }

    fn inside(&mut self, root: &Path, folder: &Path) -> io::Result<()> {
        let mut names = fs::read_dir(root.join(folder))?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            let path = folder.join(name);
            let place = root.join(&path);
            let about = fs::symlink_metadata(&place)?;
            let mode = mode_of(&about);
            if about.is_dir() {
                self.folder(&path, mode | 0o700)?;
                self.inside(root, &path)?;
            } else if about.is_symlink() {
                let target = fs::read_link(&place)?;
                self.link(&path, &relocated(root, &path, target))?;
            } else if about.is_file() {
                let content = File::open(&place)?;
                let size = content.metadata()?.len();
                self.file(&path, mode | 0o400, size, content)?;
            }
        }
        Ok(())
    }

    /// Ends the layer.
    pub fn finish(self) -> io::Result<(W, Layer)> {
        let (gzip, diff_id, _) = self.tar.into_inner()?.finish();
        let (out, digest, size) = gzip.finish()?.finish();
        let layer = Layer {
            digest,
            size,
            diff_id,
        };
        Ok((out, layer))
    }
}

/// Knows how much of a file is still to come: a file that shrinks while it is read would make a broken archive.
struct Counted<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left -= read as u64;
        Ok(read)
    }
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn mode_of(about: &fs::Metadata) -> u32 {
    #[cfg(unix)]
    return std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o777;
    #[cfg(not(unix))]
    if about.is_dir() { 0o755 } else { 0o644 }
}

/// A link's target as seen from its own folder, when it leads to a place below the root by its whole path.
fn relocated(root: &Path, path: &Path, target: PathBuf) -> PathBuf {
    let Ok(inner) = target.strip_prefix(root) else {
        return target;
    };
    let depth = path.components().count().saturating_sub(1);
    let mut relative: PathBuf = std::iter::repeat_n("..", depth).collect();
    relative.push(inner);
    relative
}

/// An image in a folder as the OCI layout has it: `oci-layout`, `index.json`, `blobs/sha256/…`.
#[derive(Clone, Debug)]
pub struct Layout {
    folder: PathBuf,
}

impl Layout {
    /// The layout in that folder, which need not be there yet.
    pub fn at(folder: impl Into<PathBuf>) -> Layout {
        Layout {
            folder: folder.into(),
        }
    }

    /// Makes the folders.
    pub fn make(&self) -> io::Result<()> {
        fs::create_dir_all(self.folder.join("blobs/sha256"))?;
        fs::write(
            self.folder.join("oci-layout"),
            br#"{"imageLayoutVersion":"1.0.0"}"#,
        )
    }

    /// Where a blob is.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.hex())
    }

    /// Puts a small blob in.
    pub fn put(&self, bytes: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(bytes);
        fs::write(self.blob(&digest), bytes)?;
        Ok(digest)
    }

    /// Says which manifest the layout is about; written last.
    pub fn set_manifest(&self, media_type: &str, manifest: &[u8]) -> io::Result<Digest> {
        let digest = self.put(manifest)?;
        let index = json!({
            "schemaVersion": 2,
            "manifests": [Descriptor::of(media_type, manifest)],
        });
        fs::write(self.folder.join("index.json"), index.to_string())?;
        Ok(digest)
    }

    /// The digest of the manifest; an error for a layout that was never finished.
    pub fn manifest_digest(&self) -> io::Result<Digest> {
        let index: Value = parse(&fs::read(self.folder.join("index.json"))?)?;
        index["manifests"][0]["digest"]
            .as_str()
            .and_then(|digest| digest.parse().ok())
            .ok_or_else(|| invalid("the index names no manifest"))
    }

    /// The manifest.
    pub fn manifest(&self) -> io::Result<Manifest> {
        parse(&fs::read(self.blob(&self.manifest_digest()?))?)
    }

    /// The configuration that a manifest names.
    pub fn configuration(&self, manifest: &Manifest) -> io::Result<Configuration> {
        let digest = digest(&manifest.config)?;
        parse(&fs::read(self.blob(&digest))?)
    }

    /// Unpacks all layers of a manifest into a folder.
    pub fn unpack(&self, manifest: &Manifest, into: &Path, limits: Limits) -> io::Result<()> {
        fs::create_dir_all(into)?;
        for layer in &manifest.layers {
            let file = File::open(self.blob(&digest(layer)?))?;
            unpack_layer(file, into, limits)?;
        }
        Ok(())
    }
}

/// A descriptor's digest, checked.
pub fn digest(descriptor: &Descriptor) -> io::Result<Digest> {
    descriptor
        .digest
        .parse()
        .map_err(|_| invalid(&format!("{:?} is no sha256 digest", descriptor.digest)))
}

/// JSON of a manifest or a configuration.
pub fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    serde_json::from_slice(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.to_owned())
}

#[cfg(test)]
mod tests;
