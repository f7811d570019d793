//! The macro that makes [`Task`](super::Task) and every list of tasks from one registration per task.

/// Generate [`Task`] and the functions that need a list of all tasks.
macro_rules! tasks {
    (
        default $(#[$default_doc:meta])* $default:ident($default_section:ty),
        $($(#[$doc:meta])* $task:ident($section:ty) in $key:ident,)+
    ) => {
        /// The meaning of a model's outputs, with the settings of the card's section.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Task {
            $($(#[$doc])* $task($section),)+
            $(#[$default_doc])*
            $default($default_section),
        }

        impl Default for Task {
            fn default() -> Self {
                Self::$default(<$default_section>::default())
            }
        }

        impl Task {
            /// The section's key in the card; `None` for the implicit one.
            #[must_use]
            pub fn section_key(&self) -> Option<&'static str> {
                match self {
                    $(Self::$task(_) => Some(stringify!($key)),)+
                    Self::$default(_) => None,
                }
            }

            fn section(&self) -> &dyn Section {
                match self {
                    $(Self::$task(section) => section,)+
                    Self::$default(section) => section,
                }
            }
        }

        /// Key, section keys and names of every task with a section.
        pub(crate) const SECTIONS: &[(&str, &[&str], &[TaskName])] = &[
            $((
                stringify!($key),
                <$section as SectionKeys>::KEYS,
                <$section as SectionKeys>::NAMES,
            ),)+
        ];

        #[derive(Deserialize)]
        struct Sections {
            #[serde(default)]
            task: Option<String>,
            $(#[serde(default)] $key: Option<$section>,)+
        }

        impl Sections {
            fn tasks(&mut self) -> Vec<Task> {
                [$(self.$key.take().map(Task::$task),)+]
                    .into_iter()
                    .flatten()
                    .collect()
            }
        }
    };
}
