//! Where timers are kept until their time is near: a radix wheel.
//!
//! Time only moves forward, so a timer is filed by the highest digit in which its time differs from the base, a
//! time before all that are filed, and by what that digit is. Whatever differs in a lower digit only comes before
//! it; of those that differ in the same digit the least comes first. So the first slot is found by looking for the
//! first bit of a set, however many timers there are.
//!
//! ```text
//!   digit   2: … [07] [08: a, b] …          the base is 05·31·17, in digits of 8 bits
//!   digit   1: … [40: c] …                  c = 05·40·xx comes before a and b = 08·xx·xx
//!   digit   0: … [21: d] …                  and d = 05·31·21 before c
//! ```

/// Bits of a digit. All slots of all digits are 2,048, the bits of 32 words: which of those are not zero is seen
/// in one word more.
const DIGIT: u32 = 8;
const SLOTS: usize = (1 << DIGIT) * (u64::BITS / DIGIT) as usize;
const WORDS: usize = SLOTS / 64;
/// The end of a list.
const NIL: u32 = u32::MAX;

/// A timer: when, whose, and what its owner calls it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    pub(crate) at: u64,
    pub(crate) key: u64,
    pub(crate) owner: u32,
}

/// A timer in its slot's list, or a free place in the list of free ones.
#[derive(Clone, Copy, Debug)]
struct Node {
    at: u64,
    key: u64,
    owner: u32,
    next: u32,
}

/// A slot, by its number among all slots of all digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot(usize);

impl Slot {
    /// Whether all timers in it have the same time.
    pub(crate) fn is_an_instant(self) -> bool {
        self.0 < 1 << DIGIT
    }

    /// The least time that it can hold, given one that it holds.
    pub(crate) fn start(self, at: u64) -> u64 {
        let below = (self.0 >> DIGIT) as u32 * DIGIT;
        at >> below << below
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Wheel {
    nodes: Vec<Node>,
    free: u32,
    /// The heads of the slots' lists, digit by digit.
    heads: Box<[u32; SLOTS]>,
    /// Which slots have timers; and which words of that are not zero.
    occupied: [u64; WORDS],
    words: u32,
    /// No timer that is filed has an earlier time than this.
    pub(crate) base: u64,
}

impl Default for Wheel {
    fn default() -> Self {
        let heads = Box::new([NIL; SLOTS]);
        Self { nodes: Vec::new(), free: NIL, heads, occupied: [0; WORDS], words: 0, base: 0 }
    }
}

impl Wheel {
    /// Files a timer that is not before the base.
    #[inline]
    pub(crate) fn file(&mut self, timer: Timer) {
        let Timer { at, key, owner } = timer;
        let (slot, id) = (self.slot_of(at), self.free);
        let Some(node) = self.nodes.get_mut(id as usize) else { return self.file_in_new_node(timer) };
        self.free = node.next;
        *node = Node { at, key, owner, next: std::mem::replace(&mut self.heads[slot], id) };
        self.occupied[slot / 64] |= 1 << (slot % 64);
        self.words |= 1 << (slot / 64);
    }

    #[cold]
    fn file_in_new_node(&mut self, timer: Timer) {
        self.free = u32::try_from(self.nodes.len()).expect("fewer than 2^32 timers fit into memory");
        self.nodes.push(Node { at: 0, key: 0, owner: 0, next: NIL });
        self.file(timer);
    }

    #[inline]
    fn slot_of(&self, at: u64) -> usize {
        debug_assert!(at >= self.base, "the base is before all that is filed");
        let digit = (at ^ self.base | 1).ilog2() / DIGIT;
        let value = (at >> (digit * DIGIT)) as usize % (1 << DIGIT);
        ((digit as usize) << DIGIT | value) % SLOTS
    }

    /// How many timers are filed.
    pub(crate) fn len(&self) -> usize {
        let free = |id: &u32| self.nodes.get(*id as usize).map(|node| node.next);
        let free = std::iter::successors(Some(self.free), free).count() - 1;
        self.nodes.len() - free
    }

    /// The first slot that has timers.
    #[inline]
    pub(crate) fn first_slot(&self) -> Option<Slot> {
        let word = self.words.trailing_zeros() as usize;
        Some(Slot(word * 64 + self.occupied.get(word)?.trailing_zeros() as usize))
    }

    /// The least time in a slot.
    pub(crate) fn least(&self, slot: Slot) -> Option<u64> {
        let node = |id: u32| self.nodes.get(id as usize);
        std::iter::successors(node(self.heads[slot.0]), |last| node(last.next)).map(|node| node.at).min()
    }

    /// Takes all timers out of a slot.
    #[inline]
    pub(crate) fn drain(&mut self, slot: Slot, into: &mut Vec<Timer>) {
        let Slot(slot) = slot;
        self.occupied[slot / 64] &= !(1 << (slot % 64));
        if self.occupied[slot / 64] == 0 {
            self.words &= !(1 << (slot / 64));
        }
        let mut id = std::mem::replace(&mut self.heads[slot], NIL);
        while let Some(node) = self.nodes.get_mut(id as usize) {
            into.push(Timer { at: node.at, key: node.key, owner: node.owner });
            let next = std::mem::replace(&mut node.next, self.free);
            self.free = id;
            id = next;
        }
    }

    /// Moves the base back to an earlier time: what is filed by digits in which the two agree stays, all else is
    /// filed anew.
    pub(crate) fn move_back(&mut self, base: u64) {
        let digit = (base ^ self.base | 1).ilog2() / DIGIT;
        let mut moved = Vec::new();
        while let Some(slot) = self.first_slot().filter(|slot| slot.0 >> DIGIT <= digit as usize) {
            self.drain(slot, &mut moved);
        }
        self.base = base;
        for timer in moved {
            self.file(timer);
        }
    }
}
