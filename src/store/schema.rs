//! Django's own tables of users, groups and permissions, as the migrations of Django 5.2 make them
//! in SQLite: a Django project can be pointed at an embedded store one day.

use super::table::{Owner, Table, Trigger};

/// What the message of a change to a user's own row is.
const USER: &str = "'user ' || COALESCE(OLD.{pk}, NEW.{pk})";
/// The same of a row of a many-to-many table.
const OF_GROUPS: &str = "'user ' || COALESCE(OLD.{groups.user}, NEW.{groups.user})";
const OF_PERMISSIONS: &str = "'user ' || COALESCE(OLD.{permissions.user}, NEW.{permissions.user})";

const fn django(name: &'static str, sqlite: &'static [&'static str]) -> Table {
    Table { name, sqlite, owner: Owner::Django, on_user_delete: None, trigger: None }
}

/// Django's, in the order in which they refer to one another.
pub const TABLES: &[Table] = &[
    django(
        "django_content_type",
        &[
            "CREATE TABLE IF NOT EXISTS django_content_type (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, app_label varchar(100) NOT NULL, model varchar(100) NOT NULL)",
            "CREATE UNIQUE INDEX IF NOT EXISTS django_content_type_app_label_model_76bd3d3b_uniq ON django_content_type (app_label, model)",
        ],
    ),
    django(
        "auth_permission",
        &[
            "CREATE TABLE IF NOT EXISTS auth_permission (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, content_type_id integer NOT NULL REFERENCES django_content_type (id) DEFERRABLE INITIALLY DEFERRED, codename varchar(100) NOT NULL, name varchar(255) NOT NULL)",
            "CREATE UNIQUE INDEX IF NOT EXISTS auth_permission_content_type_id_codename_01ab375a_uniq ON auth_permission (content_type_id, codename)",
        ],
    ),
    django(
        "auth_group",
        &[
            "CREATE TABLE IF NOT EXISTS auth_group (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, name varchar(150) NOT NULL UNIQUE)",
        ],
    ),
    Table {
        trigger: Some(Trigger { events: "INSERT OR UPDATE OR DELETE", message: "'everything'" }),
        ..django(
            "auth_group_permissions",
            &[
                "CREATE TABLE IF NOT EXISTS auth_group_permissions (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, group_id integer NOT NULL REFERENCES auth_group (id) DEFERRABLE INITIALLY DEFERRED, permission_id integer NOT NULL REFERENCES auth_permission (id) DEFERRABLE INITIALLY DEFERRED)",
                "CREATE UNIQUE INDEX IF NOT EXISTS auth_group_permissions_group_id_permission_id_0cd325b0_uniq ON auth_group_permissions (group_id, permission_id)",
            ],
        )
    },
    Table {
        trigger: Some(Trigger { events: "{user_changes} OR DELETE", message: USER }),
        ..django(
            "{users}",
            &[
                "CREATE TABLE IF NOT EXISTS auth_user (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, password varchar(128) NOT NULL, last_login datetime NULL, is_superuser bool NOT NULL, username varchar(150) NOT NULL UNIQUE, last_name varchar(150) NOT NULL, email varchar(254) NOT NULL, is_staff bool NOT NULL, is_active bool NOT NULL, date_joined datetime NOT NULL, first_name varchar(150) NOT NULL)",
            ],
        )
    },
    Table {
        on_user_delete: Some("DELETE FROM {groups} WHERE {groups.user} = {user_key}"),
        trigger: Some(Trigger { events: "INSERT OR UPDATE OR DELETE", message: OF_GROUPS }),
        ..django(
            "{groups}",
            &[
                "CREATE TABLE IF NOT EXISTS auth_user_groups (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, user_id integer NOT NULL REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED, group_id integer NOT NULL REFERENCES auth_group (id) DEFERRABLE INITIALLY DEFERRED)",
                "CREATE UNIQUE INDEX IF NOT EXISTS auth_user_groups_user_id_group_id_94350c0c_uniq ON auth_user_groups (user_id, group_id)",
            ],
        )
    },
    Table {
        on_user_delete: Some("DELETE FROM {permissions} WHERE {permissions.user} = {user_key}"),
        trigger: Some(Trigger { events: "INSERT OR UPDATE OR DELETE", message: OF_PERMISSIONS }),
        ..django(
            "{permissions}",
            &[
                "CREATE TABLE IF NOT EXISTS auth_user_user_permissions (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, user_id integer NOT NULL REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED, permission_id integer NOT NULL REFERENCES auth_permission (id) DEFERRABLE INITIALLY DEFERRED)",
                "CREATE UNIQUE INDEX IF NOT EXISTS auth_user_user_permissions_user_id_permission_id_14a6b632_uniq ON auth_user_user_permissions (user_id, permission_id)",
            ],
        )
    },
];
