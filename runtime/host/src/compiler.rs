//! The compiler: a short-lived process of its own, bounded in memory and
//! time, because compiling hostile bytes is where a compiler may blow up.
//! wasmtime counts that as no security bug, so it must not happen in a process
//! that holds anything else.
//!
//! ```text
//! host: Compiler::compile ── source on stdin ──► compile_stdin: one process, one source
//!                         ◄─ manifest or refusal ──    └─► writes the code cache
//! ```

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use mote_api::{ByteSize, ComponentKind, Digest, Manifest};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wasmparser::component_types::{ComponentEntityType, ComponentItem};
use wasmparser::types::Types;
use wasmparser::{Encoding, Payload, Validator, WasmFeatures};

use crate::adapt::adapt;
use crate::cache::Cache;
use crate::engine::compiling_engine;
use crate::error::{HostError, PrepareError};

/// Largest source: CPython with a standard library is about 50 MiB.
pub const MAX_SOURCE_BYTES: ByteSize = ByteSize::mib(256);
/// Longest answer: a manifest as JSON; see the cache's own bound for records.
const MAX_ANSWER_BYTES: u64 = 4 << 20;
/// Longest names of imports and exports together: hundreds of interfaces take
/// some ten thousand bytes.
const MAX_NAMES_BYTES: usize = 1 << 20;
/// Deepest nesting of components in a component. Tools nest two or three.
const MAX_NESTING: u32 = 16;

/// How to run the compiler process, and its bounds.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// The program; it has to call [`compile_stdin`].
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Address space it may use. CPython takes about 1.5 GiB.
    pub memory: ByteSize,
    /// Wall-clock time it may take.
    pub time: Duration,
}

/// What the process answers on stdout: one JSON value.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Compiled(Manifest),
    Refused(String),
}

impl Compiler {
    /// Bounds that suffice for CPython on a small machine.
    pub fn new(
        program: impl Into<PathBuf>,
        args: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            memory: ByteSize::gib(4),
            time: Duration::from_secs(180),
        }
    }

    /// Compiles `source` into the cache.
    ///
    /// # Errors
    /// The bytes are refused, or the process cannot be run.
    pub(crate) async fn compile(&self, source: &[u8]) -> Result<Manifest, PrepareError> {
        match tokio::time::timeout(self.time, self.ask(source)).await {
            Ok(Ok(Answer::Compiled(manifest))) => Ok(manifest),
            Ok(Ok(Answer::Refused(why))) => Err(PrepareError::Refused(why)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(PrepareError::Refused(format!(
                "compiling it took more than {} s; split it into smaller components",
                self.time.as_secs()
            ))),
        }
    }

    async fn ask(&self, source: &[u8]) -> Result<Answer, PrepareError> {
        let failed = |source| HostError::Compiler {
            program: self.program.clone(),
            source,
        };
        let mut command = std::process::Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // Ctrl-C is for the guest: the compiler goes when we do.
        command.process_group(0);
        let mut child = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(HostError::CompilerAnswer("it has no standard streams".to_owned()).into());
        };
        let send = async {
            // A process that refuses early stops reading; its answer says why.
            let sent = stdin.write_all(source).await;
            drop(stdin);
            sent.is_ok()
        };
        let mut answer = Vec::new();
        let mut stdout = stdout.take(MAX_ANSWER_BYTES + 1);
        let (_, read) = tokio::join!(send, stdout.read_to_end(&mut answer));
        read.map_err(failed)?;
        if answer.len() as u64 > MAX_ANSWER_BYTES {
            // It would wait for us to read on; dropping it ends it.
            return Ok(Answer::Refused("its description is too long".to_owned()));
        }
        let status = child.wait().await.map_err(failed)?;
        if !status.success() {
            return Ok(Answer::Refused(format!(
                "compiling it failed ({status}); it needs more than the {} of memory a compilation may use, or it is broken",
                self.memory
            )));
        }
        serde_json::from_slice(&answer)
            .map_err(|error| HostError::CompilerAnswer(error.to_string()).into())
    }
}

/// What the compiler process does: reads a source from stdin, compiles it into
/// the cache at `cache`, answers on stdout.
///
/// # Errors
/// The cache or the standard streams fail; refused bytes are an answer.
pub fn compile_stdin(cache: &Path, memory: ByteSize) -> Result<(), HostError> {
    bound_this_process(memory)?;
    let io = |action| HostError::file(action, "standard stream");
    let mut source = Vec::new();
    let limit = MAX_SOURCE_BYTES.as_u64();
    std::io::stdin()
        .lock()
        .take(limit + 1)
        .read_to_end(&mut source)
        .map_err(io("read"))?;
    let answer = if source.len() as u64 > limit {
        Answer::Refused(format!("it is larger than {MAX_SOURCE_BYTES}"))
    } else {
        match compile(&source, cache) {
            Ok(manifest) => Answer::Compiled(manifest),
            Err(PrepareError::Refused(why)) => Answer::Refused(why),
            Err(PrepareError::Host(error)) => return Err(error),
        }
    };
    let text = serde_json::to_vec(&answer).map_err(|e| HostError::CompilerAnswer(e.to_string()))?;
    std::io::stdout()
        .lock()
        .write_all(&text)
        .map_err(io("write"))
}

/// No more memory than asked for, no core dump, and no life after the parent.
fn bound_this_process(memory: ByteSize) -> Result<(), HostError> {
    use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
    let failed = |errno: rustix::io::Errno| HostError::file("bound", "this process")(errno.into());
    let limit = |bytes| Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    setrlimit(Resource::As, limit(memory.as_u64())).map_err(failed)?;
    setrlimit(Resource::Core, limit(0)).map_err(failed)?;
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed)
}

/// Compiles `source` and keeps it in the cache.
fn compile(source: &[u8], cache: &Path) -> Result<Manifest, PrepareError> {
    let digest = digest_of(source);
    let kind = kind_of(source)?;
    let adapted;
    let component = match kind {
        ComponentKind::Component => source,
        ComponentKind::Module => {
            adapted = adapt(source).map_err(PrepareError::Refused)?;
            &adapted
        }
    };
    let (imports, exports) = interfaces(component)?;
    let manifest = Manifest {
        digest,
        kind,
        source_bytes: source.len() as u64,
        imports,
        exports,
    };
    let engine = compiling_engine()?;
    let code = engine
        .precompile_component(component)
        .map_err(|error| PrepareError::Refused(format!("it is no valid component: {error:#}")))?;
    Cache::open(cache)?.keep(manifest.clone(), &code)?;
    Ok(manifest)
}

/// The digest by which a source is known.
pub(crate) fn digest_of(source: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(source).into())
}

fn kind_of(source: &[u8]) -> Result<ComponentKind, PrepareError> {
    match wasmparser::Parser::new(0).parse_all(source).next() {
        Some(Ok(Payload::Version {
            encoding: Encoding::Component,
            ..
        })) => Ok(ComponentKind::Component),
        Some(Ok(Payload::Version {
            encoding: Encoding::Module,
            ..
        })) => Ok(ComponentKind::Module),
        _ => Err(PrepareError::Refused(
            "it is neither a component nor a module of WebAssembly".to_owned(),
        )),
    }
}

/// Names of the imports and exports of the outermost component. An interface
/// of which it only names types is left out: it asks for nothing.
fn interfaces(component: &[u8]) -> Result<(Vec<String>, Vec<String>), PrepareError> {
    let (mut imports, mut exports, mut depth) = (Vec::new(), Vec::new(), 0u32);
    for payload in wasmparser::Parser::new(0).parse_all(component) {
        match payload.map_err(broken)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                if depth > MAX_NESTING {
                    return Err(PrepareError::Refused(format!(
                        "it nests components deeper than {MAX_NESTING}"
                    )));
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import.map_err(broken)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.map_err(broken)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    let types = Validator::new_with_features(WasmFeatures::all())
        .validate_all(component)
        .map_err(broken)?;
    imports.retain(|import| !only_types(&types, import));
    let names: usize = imports.iter().chain(&exports).map(String::len).sum();
    if names > MAX_NAMES_BYTES {
        return Err(PrepareError::Refused(format!(
            "the names of what it imports and exports take {names} bytes; the most is {MAX_NAMES_BYTES}"
        )));
    }
    Ok((imports, exports))
}

fn broken(error: wasmparser::BinaryReaderError) -> PrepareError {
    PrepareError::Refused(format!("it is broken: {error}"))
}

/// Whether nothing can be called through this import.
fn only_types(types: &Types, import: &str) -> bool {
    let types = types.as_ref();
    match types.component_item_for_import(import).map(|item| item.ty) {
        Some(ComponentEntityType::Instance(instance)) => {
            let is_type =
                |export: &ComponentItem| matches!(export.ty, ComponentEntityType::Type { .. });
            types
                .get(instance)
                .is_some_and(|instance| instance.exports.values().all(is_type))
        }
        Some(ComponentEntityType::Type { .. }) => true,
        _ => false,
    }
}
