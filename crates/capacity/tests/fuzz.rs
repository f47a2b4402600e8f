//! Whatever comes over the network or lies on the disk is read without harm.

mod common;
#[path = "../../../tests/dice.rs"]
mod dice;

mod fuzz {
    use super::{
        common::{Folder, Toy, audit, honest, prove, statement},
        dice::Fuzz,
    };
    use capacity::{Answer, Control, work::Outcome};
    use std::fs;

    /// (E11)
    #[test]
    fn an_answer_is_read_or_refused_and_only_the_right_one_passes() {
        let statement = statement(7, 3, 5);
        let work = honest(&statement);
        let (audit, path) = audit(&statement, work.unit_root(), 2);
        let answer = Answer::new(&work, path, &audit.leaves).expect("leaves");
        let right = answer.encode();
        let mut fuzz = Fuzz::begin();
        while let Some(dice) = fuzz.round() {
            let mut bytes = right.clone();
            dice.mutate(&mut bytes);
            if let Ok(read) = Answer::decode(&bytes) {
                assert_eq!(read.encode(), bytes);
            }
            assert_eq!(audit.inspect(&bytes).is_ok(), bytes == right);
        }
    }

    /// (E7)
    #[test]
    fn a_file_with_anything_in_it_leads_to_the_right_root_or_is_refused() {
        let statement = statement(7, 1, 4);
        let folder = Folder::new();
        let whole = prove(&folder.shelf(), &statement, &mut Toy::of(&statement)).roots();
        let path = folder.path().join("100-0.leaves");
        let right = fs::read(&path).expect("a file");
        let mut fuzz = Fuzz::begin();
        while let Some(dice) = fuzz.round() {
            let mut bytes = right.clone();
            dice.mutate(&mut bytes);
            fs::write(&path, &bytes).expect("a disk");
            if let Ok([mut chain, _]) = folder.shelf().chains(&statement) {
                let outcome = chain.run(&mut Toy::of(&statement), &Control::new());
                assert_eq!(outcome.expect("a disk"), Outcome::Finished(whole[0]));
            }
        }
    }
}
