//! Two kinds of lists through the same records, each beside a `VecDeque`.

use std::collections::VecDeque;
use std::vec::Vec;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::super::slab::Slot;
use super::*;

struct Red;
struct Blue;

struct Record {
    red: Links,
    blue: Links,
}

impl Empty for Record {
    const EMPTY: Self = Self { red: Links::EMPTY, blue: Links::EMPTY };
}

linked!([] Record, red: Red);
linked!([] Record, blue: Blue);

#[derive(Debug, Clone)]
enum Step {
    PushBack(usize),
    PushFront(usize),
    InsertAfter(usize, usize),
    PopFront,
    Remove(usize),
}

/// One more than there are records: the last index is of a slot that is not there.
const INDICES: usize = 9;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..INDICES).prop_map(Step::PushBack),
        (0..INDICES).prop_map(Step::PushFront),
        (0..INDICES, 0..INDICES).prop_map(|(after, index)| Step::InsertAfter(after, index)),
        Just(Step::PopFront),
        (0..INDICES).prop_map(Step::Remove),
    ]
}

type Model = VecDeque<usize>;

fn apply<L>(step: &Step, list: &mut List<L>, slab: &mut Slab<'_, Record>, model: &mut Model)
where
    Record: Linked<L>,
{
    let id = |index: usize| Id::from_index(index).unwrap();
    let insertable = |index: usize, model: &Model| index < 8 && !model.contains(&index);
    match *step {
        Step::PushBack(index) => {
            let fits = insertable(index, model);
            assert_eq!(list.push_back(slab, id(index)), fits);
            model.extend(fits.then_some(index));
        }
        Step::PushFront(index) => {
            let fits = insertable(index, model);
            assert_eq!(list.push_front(slab, id(index)), fits);
            if fits {
                model.push_front(index);
            }
        }
        Step::InsertAfter(after, index) => {
            let place = model.iter().position(|met| *met == after);
            let fits = insertable(index, model) && place.is_some();
            assert_eq!(list.insert_after(slab, id(after), id(index)), fits);
            if fits {
                model.insert(place.unwrap() + 1, index);
            }
        }
        Step::PopFront => {
            assert_eq!(list.pop_front(slab), model.pop_front().map(id));
        }
        Step::Remove(index) => {
            let place = model.iter().position(|met| *met == index);
            assert_eq!(list.remove(slab, id(index)), place.is_some());
            place.map(|place| model.remove(place));
        }
    }
}

fn assert_same<L>(list: &List<L>, slab: &Slab<'_, Record>, model: &Model)
where
    Record: Linked<L>,
{
    let forward: Vec<_> =
        core::iter::successors(list.first(), |id| list.next(slab, *id)).map(Id::index).collect();
    let mut backward: Vec<_> =
        core::iter::successors(list.last(), |id| list.previous(slab, *id)).map(Id::index).collect();
    backward.reverse();
    assert_eq!(*model, forward);
    assert_eq!(*model, backward);
    assert_eq!((list.len() as usize, list.is_empty()), (model.len(), model.is_empty()));
    for index in 0..INDICES {
        let id = Id::from_index(index).unwrap();
        assert_eq!(list.contains(slab, id), model.contains(&index));
    }
}

proptest! {
    #[test]
    fn two_lists_keep_their_order_apart(
        steps in vec_of((any::<bool>(), step()), 0..120),
    ) {
        let mut slots: Vec<Slot<Record>> = (0..8).map(|_| Slot::EMPTY).collect();
        let mut slab = Slab::new((&mut slots[..]).into());
        while slab.acquire().is_some() {}
        let (mut red, mut reds) = (List::<Red>::EMPTY, Model::new());
        let (mut blue, mut blues) = (List::<Blue>::EMPTY, Model::new());
        for (is_red, step) in steps {
            if is_red {
                apply(&step, &mut red, &mut slab, &mut reds);
            } else {
                apply(&step, &mut blue, &mut slab, &mut blues);
            }
            assert_same(&red, &slab, &reds);
            assert_same(&blue, &slab, &blues);
        }
    }
}

#[test]
fn a_list_takes_over_all_of_another() {
    // (what is in the one, what is in the other)
    let table: [(&[usize], &[usize]); 5] =
        [(&[], &[]), (&[0, 1], &[]), (&[], &[2]), (&[3], &[1]), (&[0, 1], &[4, 2, 3])];
    for (ours, theirs) in table {
        let mut slots: Vec<Slot<Record>> = (0..8).map(|_| Slot::EMPTY).collect();
        let mut slab = Slab::new((&mut slots[..]).into());
        while slab.acquire().is_some() {}
        let (mut list, mut other) = (List::<Red>::EMPTY, List::<Red>::EMPTY);
        for index in ours {
            list.push_back(&mut slab, Id::from_index(*index).unwrap());
        }
        for index in theirs {
            other.push_back(&mut slab, Id::from_index(*index).unwrap());
        }
        list.append(&mut slab, &mut other);
        assert_eq!((other.first(), other.last(), other.len()), (None, None, 0));
        let mut model: Model = ours.iter().chain(theirs).copied().collect();
        assert_same(&list, &slab, &model);
        for step in [Step::PushFront(6), Step::PushBack(7), Step::Remove(1), Step::PopFront] {
            apply(&step, &mut list, &mut slab, &mut model);
            assert_same(&list, &slab, &model);
        }
    }
}
