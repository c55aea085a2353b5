//! The few commands of `bpf(2)` that are needed here (linux/bpf.h). Each one's attributes are the start of the kernel's
//! union; what is left out counts as zero.

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ffi::CStr;
use std::io;

const MAP_CREATE: libc::c_int = 0;
const MAP_LOOKUP_ELEM: libc::c_int = 1;
#[cfg(test)]
const MAP_UPDATE_ELEM: libc::c_int = 2;
const PROG_LOAD: libc::c_int = 5;
const RAW_TRACEPOINT_OPEN: libc::c_int = 17;
const LINK_CREATE: libc::c_int = 28;

const MAP_TYPE_ARRAY: u32 = 2;
const MAP_TYPE_LRU_HASH: u32 = 9;
/// Has to be named, though no function that is called asks for one of the kernel's own licence.
const LICENCE: &CStr = c"Apache-2.0";

/// What makes a program run, and what it is given then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    program: u32,
    attach: u32,
}

/// `BPF_PROG_TYPE_CGROUP_SOCK`, `BPF_CGROUP_INET_SOCK_CREATE`.
pub(super) const SOCKET_MADE: Kind = Kind {
    program: 9,
    attach: 2,
};
/// `BPF_PROG_TYPE_CGROUP_SOCK_ADDR`, `BPF_CGROUP_INET4_CONNECT`.
pub(super) const CONNECT_4: Kind = Kind {
    program: 18,
    attach: 10,
};
/// `BPF_PROG_TYPE_CGROUP_SOCK_ADDR`, `BPF_CGROUP_INET6_CONNECT`.
pub(super) const CONNECT_6: Kind = Kind {
    program: 18,
    attach: 11,
};
/// `BPF_PROG_TYPE_RAW_TRACEPOINT`.
pub(super) const RAW_TRACEPOINT: Kind = Kind {
    program: 17,
    attach: 0,
};

/// A table that programs and this process share. Keys and values have the sizes of `K` and `V`.
#[derive(Debug)]
pub(super) struct Map<K, V> {
    descriptor: OwnedFd,
    types: std::marker::PhantomData<fn(K) -> V>,
}

impl<const K: usize, const V: usize> Map<[u8; K], [u8; V]> {
    /// One that drops what was not used for the longest time when it is full.
    pub(super) fn newest(entries: u32) -> io::Result<Self> {
        Self::create(MAP_TYPE_LRU_HASH, entries)
    }

    /// One with a value of zeroes under every number below `entries`, for good.
    pub(super) fn array(entries: u32) -> io::Result<Self> {
        Self::create(MAP_TYPE_ARRAY, entries)
    }

    fn create(map_type: u32, entries: u32) -> io::Result<Self> {
        #[repr(C)]
        struct Attributes {
            map_type: u32,
            key_size: u32,
            value_size: u32,
            max_entries: u32,
        }
        let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let descriptor = new_descriptor(
            MAP_CREATE,
            &Attributes {
                map_type,
                key_size: size(K),
                value_size: size(V),
                max_entries: entries,
            },
        )?;
        Ok(Self {
            descriptor,
            types: std::marker::PhantomData,
        })
    }

    pub(super) fn descriptor(&self) -> i32 {
        self.descriptor.as_raw_fd()
    }

    /// The value under `key`, if there is one.
    pub(super) fn get(&self, key: &[u8; K]) -> io::Result<Option<[u8; V]>> {
        let mut value = [0_u8; V];
        let attributes = Element {
            map: self.descriptor.as_raw_fd().cast_unsigned(),
            _pad: 0,
            key: key.as_ptr() as u64,
            value: value.as_mut_ptr() as u64,
            flags: 0,
        };
        match call(MAP_LOOKUP_ELEM, &attributes) {
            Ok(_) => Ok(Some(value)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    #[cfg(test)]
    pub(super) fn set(&self, key: &[u8; K], value: &[u8; V]) -> io::Result<()> {
        let attributes = Element {
            map: self.descriptor.as_raw_fd().cast_unsigned(),
            _pad: 0,
            key: key.as_ptr() as u64,
            value: value.as_ptr() as u64,
            flags: 0,
        };
        call(MAP_UPDATE_ELEM, &attributes).map(|_| ())
    }

    /// The same table once more.
    #[cfg(test)]
    pub(super) fn again(&self) -> io::Result<Self> {
        Ok(Self {
            descriptor: self.descriptor.try_clone()?,
            types: std::marker::PhantomData,
        })
    }
}

#[repr(C)]
struct Element {
    map: u32,
    _pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Has the kernel check and translate a program.
pub(super) fn load(kind: Kind, instructions: &[[u8; 8]]) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attributes {
        prog_type: u32,
        instructions: u32,
        start: u64,
        licence: u64,
        log_level: u32,
        log_size: u32,
        log: u64,
        kernel_version: u32,
        flags: u32,
        name: [u8; 16],
        interface: u32,
        expected_attach_type: u32,
    }
    new_descriptor(
        PROG_LOAD,
        &Attributes {
            prog_type: kind.program,
            instructions: u32::try_from(instructions.len()).unwrap_or(u32::MAX),
            start: instructions.as_ptr() as u64,
            licence: LICENCE.as_ptr() as u64,
            log_level: 0,
            log_size: 0,
            log: 0,
            kernel_version: 0,
            flags: 0,
            name: *b"hallpass\0\0\0\0\0\0\0\0",
            interface: 0,
            expected_attach_type: kind.attach,
        },
    )
}

/// Has `program` run for everything in the control group `group`, for as long as the answer is open.
pub(super) fn attach(program: &OwnedFd, kind: Kind, group: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attributes {
        program: u32,
        target: u32,
        attach_type: u32,
        flags: u32,
    }
    new_descriptor(
        LINK_CREATE,
        &Attributes {
            program: program.as_raw_fd().cast_unsigned(),
            target: group.as_raw_fd().cast_unsigned(),
            attach_type: kind.attach,
            flags: 0,
        },
    )
}

/// Has `program` run whenever the kernel passes its tracepoint `name`, for as long as the answer is open.
pub(super) fn trace(program: &OwnedFd, name: &CStr) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attributes {
        name: u64,
        program: u32,
        _pad: u32,
    }
    new_descriptor(
        RAW_TRACEPOINT_OPEN,
        &Attributes {
            name: name.as_ptr() as u64,
            program: program.as_raw_fd().cast_unsigned(),
            _pad: 0,
        },
    )
}

/// A command that answers with a descriptor; the kernel makes each of them close-on-exec.
fn new_descriptor<A>(command: libc::c_int, attributes: &A) -> io::Result<OwnedFd> {
    let raw = call(command, attributes)?;
    #[expect(
        unsafe_code,
        reason = "the kernel has just installed this descriptor for us; nobody else owns it"
    )]
    // SAFETY: `raw` is the descriptor this command returned, and this is its only owner.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

fn call<A>(command: libc::c_int, attributes: &A) -> io::Result<i32> {
    #[expect(unsafe_code, reason = "neither std nor rustix has bpf(2)")]
    // SAFETY: pointer and length describe `attributes`, a live `repr(C)` value without padding. The addresses in it are
    // of buffers the callers keep alive over the call, each as long as the map's or program's own sizes say.
    let status = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(attributes),
            size_of::<A>(),
        )
    };
    if status < 0 {
        return Err(io::Error::last_os_error());
    }
    i32::try_from(status).map_err(io::Error::other)
}
