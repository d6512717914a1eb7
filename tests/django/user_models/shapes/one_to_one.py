"""The key of a user is that of a person, who need not be one."""

from django.contrib.auth.models import AbstractUser
from django.db import models

PEOPLE = {"alice": 101, "bob": 102, "staff": 103, "elise": 104}


class Person(models.Model):
    born = models.DateField(null=True)


class Member(AbstractUser):
    person = models.OneToOneField(Person, models.CASCADE, primary_key=True)


def values(name):
    # Far from what the keys would be if users had their own.
    return {"person": Person.objects.create(pk=PEOPLE[name])}
