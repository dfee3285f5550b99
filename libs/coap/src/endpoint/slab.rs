//! Values by keys that are never given twice. Absent: iteration; who needs it keeps the keys.

/// Slots that are used again under a new generation. A key is the generation above the index.
pub(super) struct Slab<T> {
    slots: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub fn insert(&mut self, value: T) -> u64 {
        let index = self.free.pop().unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(index as usize) {
            Some(slot) => {
                slot.0 = slot.0.wrapping_add(1);
                slot.1 = Some(value);
                u64::from(slot.0) << 32 | u64::from(index)
            }
            None => {
                self.slots.push((0, Some(value)));
                u64::from(index)
            }
        }
    }

    pub fn get(&self, key: u64) -> Option<&T> {
        let (generation, value) = self.slots.get(key as u32 as usize)?;
        value.as_ref().filter(|_| *generation == (key >> 32) as u32)
    }

    pub fn get_mut(&mut self, key: u64) -> Option<&mut T> {
        let (generation, value) = self.slots.get_mut(key as u32 as usize)?;
        value.as_mut().filter(|_| *generation == (key >> 32) as u32)
    }

    pub fn remove(&mut self, key: u64) -> Option<T> {
        let (generation, value) = self.slots.get_mut(key as u32 as usize)?;
        if *generation != (key >> 32) as u32 {
            return None;
        }
        let taken = value.take();
        if taken.is_some() {
            self.free.push(key as u32);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_void_after_its_value_left() {
        let mut slab = Slab::default();
        let (a, b) = (slab.insert('a'), slab.insert('b'));
        assert_eq!((slab.remove(a), slab.remove(a), slab.len()), (Some('a'), None, 1));
        let c = slab.insert('c');
        assert_ne!(a, c);
        assert_eq!((slab.get(a), slab.get(b), slab.get(c)), (None, Some(&'b'), Some(&'c')));
        assert_eq!((slab.remove(a), slab.get(77)), (None, None));
    }
}
