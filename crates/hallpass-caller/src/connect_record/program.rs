//! The three programs, written down in the kernel's instructions (Documentation/bpf/standardization/instruction-set.rst).
//! None of them can refuse anything: the two of the control group end with 1, which is "go on".

/// Slots of the table of forks.
pub(super) const FORK_SLOTS: u32 = 1 << 16;
/// What a fork adds to its slot; one that goes on to share its descriptors adds this too, for good.
pub(super) const SHARES: u64 = 1 << 40;

/// What the programs keep of one socket, under its cookie. As in the kernel's memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The process that made it.
    pub(super) maker: u32,
    /// The process that connected it last; 0 before that.
    pub(super) connector: u32,
    /// The connector's real uid.
    pub(super) uid: u32,
    /// The connector's real gid.
    pub(super) gid: u32,
    /// When it was made: nanoseconds since boot, sleep included.
    pub(super) made: u64,
    /// What stood in the maker's slot of forks then.
    pub(super) forks: u64,
}

pub(super) const SEEN_BYTES: usize = 32;

impl Seen {
    pub(super) fn read(bytes: &[u8; SEEN_BYTES]) -> Self {
        let word = |at: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&bytes[at..at + 4]);
            u32::from_ne_bytes(word)
        };
        let long = |at: usize| {
            let mut long = [0; 8];
            long.copy_from_slice(&bytes[at..at + 8]);
            u64::from_ne_bytes(long)
        };
        Self {
            maker: word(0),
            connector: word(4),
            uid: word(8),
            gid: word(12),
            made: long(16),
            forks: long(24),
        }
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> [u8; SEEN_BYTES] {
        let mut bytes = [0; SEEN_BYTES];
        bytes[0..4].copy_from_slice(&self.maker.to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.connector.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.uid.to_ne_bytes());
        bytes[12..16].copy_from_slice(&self.gid.to_ne_bytes());
        bytes[16..24].copy_from_slice(&self.made.to_ne_bytes());
        bytes[24..32].copy_from_slice(&self.forks.to_ne_bytes());
        bytes
    }
}

/// Where on the programs' stacks, below register 10, the parts lie: the cookie, what is kept, the slot's number.
const COOKIE: i16 = -8;
const SEEN: i16 = -40;
const SLOT: i16 = -48;

/// Functions of the kernel (linux/bpf.h, `___BPF_FUNC_MAPPER`).
const MAP_LOOKUP_ELEM: i32 = 1;
const MAP_UPDATE_ELEM: i32 = 2;
const GET_CURRENT_PID_TGID: i32 = 14;
const GET_CURRENT_UID_GID: i32 = 15;
const GET_SOCKET_COOKIE: i32 = 46;
const KTIME_GET_BOOT_NS: i32 = 125;

/// A new TCP socket: who made it, when, and how often that process had forked.
///
/// The context is `struct bpf_sock`: the type of the socket at 8, its protocol at 12.
pub(super) fn socket_made(sockets: i32, forks: i32) -> Vec<[u8; 8]> {
    let mut code = Assembler::default();
    code.copy(6, 1);
    code.load_word(1, 6, 8);
    code.end_unless_equal(1, libc::SOCK_STREAM);
    code.load_word(1, 6, 12);
    code.end_unless_equal(1, libc::IPPROTO_TCP);
    code.copy(1, 6);
    code.call(GET_SOCKET_COOKIE);
    code.store_long(10, COOKIE, 0);
    code.call(GET_CURRENT_PID_TGID);
    code.shift_right(0, 32);
    code.store_long(10, SEEN, 0);
    code.copy(7, 0);
    code.set(1, 0);
    code.store_word(10, SEEN + 4, 1);
    code.store_long(10, SEEN + 8, 1);
    code.store_word(10, SEEN, 7);
    code.call(KTIME_GET_BOOT_NS);
    code.store_long(10, SEEN + 16, 0);
    code.slot_of(7, forks);
    code.load_long(1, 0, 0);
    code.store_long(10, SEEN + 24, 1);
    code.map(1, sockets);
    code.stack(2, COOKIE);
    code.stack(3, SEEN);
    code.set(4, 0);
    code.call(MAP_UPDATE_ELEM);
    code.end(1)
}

/// A `connect(2)`: which process, and whose. A socket that is older than the programs stays unknown.
pub(super) fn connecting(sockets: i32) -> Vec<[u8; 8]> {
    let mut code = Assembler::default();
    code.call(GET_SOCKET_COOKIE);
    code.store_long(10, COOKIE, 0);
    code.map(1, sockets);
    code.stack(2, COOKIE);
    code.call(MAP_LOOKUP_ELEM);
    code.end_if_zero(0);
    code.copy(7, 0);
    code.call(GET_CURRENT_PID_TGID);
    code.shift_right(0, 32);
    code.store_word(7, 4, 0);
    code.call(GET_CURRENT_UID_GID);
    code.store_word(7, 8, 0);
    code.shift_right(0, 32);
    code.store_word(7, 12, 0);
    code.end(1)
}

/// The tracepoint `task_newtask`, in the process that forks, before the new one runs: counts in the slot of its number.
/// The context is the new task and the flags of `clone(2)`; a thread is no fork.
pub(super) fn forking(forks: i32) -> Vec<[u8; 8]> {
    let mut code = Assembler::default();
    code.load_long(6, 1, 8);
    code.end_if_set(6, libc::CLONE_THREAD);
    code.call(GET_CURRENT_PID_TGID);
    code.shift_right(0, 32);
    code.copy(7, 0);
    code.slot_of(7, forks);
    // The flag as a number of its own, 0 or 1, times `SHARES`.
    code.mask(6, libc::CLONE_FILES);
    code.shift_right(6, libc::CLONE_FILES.trailing_zeros().cast_signed());
    code.shift_left(6, SHARES.trailing_zeros().cast_signed());
    code.add(6, 1);
    code.add_in_memory(0, 0, 6);
    code.end(0)
}

/// Instructions one after another. Registers go by their numbers; 10 is the end of the stack.
#[derive(Debug, Default)]
struct Assembler {
    code: Vec<[u8; 8]>,
    /// Jumps to the end, wherever that will be.
    to_end: Vec<usize>,
}

impl Assembler {
    fn push(&mut self, operation: u8, target: u8, source: u8, offset: i16, number: i32) {
        // Two halves of one byte, in the order the machine has bit fields.
        let registers = if cfg!(target_endian = "little") {
            source << 4 | target
        } else {
            target << 4 | source
        };
        let [o1, o2] = offset.to_ne_bytes();
        let [n1, n2, n3, n4] = number.to_ne_bytes();
        self.code.push([operation, registers, o1, o2, n1, n2, n3, n4]);
    }

    fn copy(&mut self, target: u8, source: u8) {
        self.push(0xbf, target, source, 0, 0);
    }

    fn set(&mut self, target: u8, number: i32) {
        self.push(0xb7, target, 0, 0, number);
    }

    fn add(&mut self, target: u8, number: i32) {
        self.push(0x07, target, 0, 0, number);
    }

    fn mask(&mut self, target: u8, bits: i32) {
        self.push(0x57, target, 0, 0, bits);
    }

    fn shift_left(&mut self, target: u8, bits: i32) {
        self.push(0x67, target, 0, 0, bits);
    }

    fn shift_right(&mut self, target: u8, bits: i32) {
        self.push(0x77, target, 0, 0, bits);
    }

    fn load_word(&mut self, target: u8, base: u8, offset: i16) {
        self.push(0x61, target, base, offset, 0);
    }

    fn load_long(&mut self, target: u8, base: u8, offset: i16) {
        self.push(0x79, target, base, offset, 0);
    }

    fn store_word(&mut self, base: u8, offset: i16, source: u8) {
        self.push(0x63, base, source, offset, 0);
    }

    fn store_long(&mut self, base: u8, offset: i16, source: u8) {
        self.push(0x7b, base, source, offset, 0);
    }

    /// Adds a register to eight bytes of memory, at once for all processors.
    fn add_in_memory(&mut self, base: u8, offset: i16, source: u8) {
        self.push(0xdb, base, source, offset, 0);
    }

    fn stack(&mut self, target: u8, offset: i16) {
        self.copy(target, 10);
        self.add(target, i32::from(offset));
    }

    fn call(&mut self, function: i32) {
        self.push(0x85, 0, 0, 0, function);
    }

    /// A table of this process, by its descriptor: two instructions' room, `BPF_PSEUDO_MAP_FD`.
    fn map(&mut self, target: u8, descriptor: i32) {
        self.push(0x18, target, 1, 0, descriptor);
        self.push(0, 0, 0, 0, 0);
    }

    fn end_unless_equal(&mut self, register: u8, number: i32) {
        self.to_end.push(self.code.len());
        self.push(0x55, register, 0, 0, number);
    }

    fn end_if_zero(&mut self, register: u8) {
        self.to_end.push(self.code.len());
        self.push(0x15, register, 0, 0, 0);
    }

    fn end_if_set(&mut self, register: u8, bits: i32) {
        self.to_end.push(self.code.len());
        self.push(0x45, register, 0, 0, bits);
    }

    /// Leaves the address of a process's slot of forks in register 0.
    fn slot_of(&mut self, process: u8, forks: i32) {
        self.mask(process, FORK_SLOTS.cast_signed() - 1);
        self.store_word(10, SLOT, process);
        self.map(1, forks);
        self.stack(2, SLOT);
        self.call(MAP_LOOKUP_ELEM);
        self.end_if_zero(0);
    }

    /// Ends with `answer`.
    fn end(mut self, answer: i32) -> Vec<[u8; 8]> {
        let end = self.code.len();
        for jump in &self.to_end {
            // A jump counts from the instruction after it; the programs have some thirty.
            let offset = i16::try_from(end - jump - 1).unwrap_or(i16::MAX);
            self.code[*jump][2..4].copy_from_slice(&offset.to_ne_bytes());
        }
        self.set(0, answer);
        self.push(0x95, 0, 0, 0, 0);
        self.code
    }
}
