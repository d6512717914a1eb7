"""A table from before Django: nothing is called as Django calls it, and two columns are reserved words."""

from django.contrib.auth.models import AbstractBaseUser, PermissionsMixin, UserManager
from django.db import models


class Member(AbstractBaseUser, PermissionsMixin):
    username = models.CharField(max_length=150, unique=True, db_column="login")
    password = models.CharField(max_length=128, db_column="order")
    last_login = models.DateTimeField(null=True, db_column="seen")
    email = models.EmailField(db_column="group")
    is_active = models.BooleanField(default=True, db_column="enabled")
    is_staff = models.BooleanField(default=False, db_column="Staff")

    objects = UserManager()
    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"

    class Meta:
        db_table = "users"
