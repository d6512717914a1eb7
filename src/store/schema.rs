//! The tables of an embedded store: what Django 5.2's and DRF's migrations make on SQLite, so that
//! a Django project can be pointed at the file one day; and the one table of our own.

/// Django's, for SQLite only: in a database that a project owns nothing is ever created here.
pub(super) const DJANGO: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS django_content_type (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, app_label varchar(100) NOT NULL, model varchar(100) NOT NULL)",
    "CREATE UNIQUE INDEX IF NOT EXISTS django_content_type_app_label_model_76bd3d3b_uniq ON django_content_type (app_label, model)",
    "CREATE TABLE IF NOT EXISTS auth_permission (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, content_type_id integer NOT NULL REFERENCES django_content_type (id) DEFERRABLE INITIALLY DEFERRED, codename varchar(100) NOT NULL, name varchar(255) NOT NULL)",
    "CREATE UNIQUE INDEX IF NOT EXISTS auth_permission_content_type_id_codename_01ab375a_uniq ON auth_permission (content_type_id, codename)",
    "CREATE TABLE IF NOT EXISTS auth_group (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, name varchar(150) NOT NULL UNIQUE)",
    "CREATE TABLE IF NOT EXISTS auth_group_permissions (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, group_id integer NOT NULL REFERENCES auth_group (id) DEFERRABLE INITIALLY DEFERRED, permission_id integer NOT NULL REFERENCES auth_permission (id) DEFERRABLE INITIALLY DEFERRED)",
    "CREATE UNIQUE INDEX IF NOT EXISTS auth_group_permissions_group_id_permission_id_0cd325b0_uniq ON auth_group_permissions (group_id, permission_id)",
    "CREATE TABLE IF NOT EXISTS auth_user (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, password varchar(128) NOT NULL, last_login datetime NULL, is_superuser bool NOT NULL, username varchar(150) NOT NULL UNIQUE, last_name varchar(150) NOT NULL, email varchar(254) NOT NULL, is_staff bool NOT NULL, is_active bool NOT NULL, date_joined datetime NOT NULL, first_name varchar(150) NOT NULL)",
    "CREATE TABLE IF NOT EXISTS auth_user_groups (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, user_id integer NOT NULL REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED, group_id integer NOT NULL REFERENCES auth_group (id) DEFERRABLE INITIALLY DEFERRED)",
    "CREATE UNIQUE INDEX IF NOT EXISTS auth_user_groups_user_id_group_id_94350c0c_uniq ON auth_user_groups (user_id, group_id)",
    "CREATE TABLE IF NOT EXISTS auth_user_user_permissions (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, user_id integer NOT NULL REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED, permission_id integer NOT NULL REFERENCES auth_permission (id) DEFERRABLE INITIALLY DEFERRED)",
    "CREATE UNIQUE INDEX IF NOT EXISTS auth_user_user_permissions_user_id_permission_id_14a6b632_uniq ON auth_user_user_permissions (user_id, permission_id)",
    "CREATE TABLE IF NOT EXISTS authtoken_token (\"key\" varchar(40) NOT NULL PRIMARY KEY, created datetime NOT NULL, user_id integer NOT NULL UNIQUE REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED)",
    "CREATE TABLE IF NOT EXISTS django_session (session_key varchar(40) NOT NULL PRIMARY KEY, session_data text NOT NULL, expire_date datetime NOT NULL)",
    "CREATE INDEX IF NOT EXISTS django_session_expire_date_a5c62663 ON django_session (expire_date)",
    "CREATE TABLE IF NOT EXISTS knox_authtoken (digest varchar(128) NOT NULL PRIMARY KEY, created datetime NOT NULL, user_id integer NOT NULL REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED, expiry datetime NULL, token_key varchar(25) NOT NULL)",
    "CREATE INDEX IF NOT EXISTS knox_authtoken_user_id_e5a5d899 ON knox_authtoken (user_id)",
    "CREATE INDEX IF NOT EXISTS knox_authtoken_token_key_8f4f7d47 ON knox_authtoken (token_key)",
    "CREATE TABLE IF NOT EXISTS token_blacklist_outstandingtoken (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, token text NOT NULL, created_at datetime NULL, expires_at datetime NOT NULL, user_id integer NULL REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED, jti varchar(255) NOT NULL UNIQUE)",
    "CREATE INDEX IF NOT EXISTS token_blacklist_outstandingtoken_user_id_83bc629a ON token_blacklist_outstandingtoken (user_id)",
    "CREATE TABLE IF NOT EXISTS token_blacklist_blacklistedtoken (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, blacklisted_at datetime NOT NULL, token_id bigint NOT NULL UNIQUE REFERENCES token_blacklist_outstandingtoken (id) DEFERRABLE INITIALLY DEFERRED)",
];

/// Ours: created in an embedded store, and elsewhere where `own_tables` allows it.
pub(super) const OWN: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS portcullis_api_key (name varchar(150) NOT NULL PRIMARY KEY, digest char(64) NOT NULL UNIQUE, user_id bigint NULL, created varchar(32) NOT NULL)",
];
