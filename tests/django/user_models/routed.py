"""A project whose `default` database is none: a router names another one for all models."""


class Router:
    def db_for_read(self, model, **hints):
        return "people"

    db_for_write = db_for_read
