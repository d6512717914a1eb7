"""For `CLASSES`: the project's own authentication classes answer what the gateway has found.

The class is changed, and not the view's request: so classes that the gateway does not know keep their place before and
behind it, and a view that calls another one brings no user along whom the other's classes would not have found.
"""

from __future__ import annotations

import threading
from functools import wraps

from rest_framework.authentication import SessionAuthentication
from rest_framework.views import APIView

from .authentication import credential
from .backend import gateway_user

LOCK = threading.Lock()
DJANGOS = "django.contrib.auth.middleware"


def stand_in(native):
    """Makes this class ask the gateway first. It holds for the process, and only for requests with `CLASSES`."""
    with LOCK:
        if not hasattr(native.authenticate, "natively"):
            native.authenticate = gateway_first(native.authenticate)


def gateway_first(natively):
    @wraps(natively)
    def authenticate(self, request):
        user = found(request)
        if user is None or not any(type(self) in classes for classes in request._portcullis_classes.values()):
            # A subclass may ask more than its base, which it has called.
            return natively(self, request)
        if isinstance(self, SessionAuthentication):
            look(request._request)
        # The gateway has looked at the others that it knows, and it was not by them.
        return (user, credential(request, user)) if type(self) in accepting(request) else None

    authenticate.natively = natively
    return authenticate


def look(request):
    """Does what it means to ask a request for its user, whose session a project may begin or extend there."""
    user = getattr(request, "user", None)
    # Django's own only asks the database.
    if getattr(getattr(user, "_setupfunc", None), "__module__", DJANGOS) != DJANGOS:
        bool(user and user.is_active)
    if hasattr(request, "session"):
        # An answer that depends on a cookie says so.
        request.session.accessed = True


def found(request):
    """The gateway's user, if the class for the caller's scheme is among the view's; else the project judges alone."""
    asked = [type(each) for each in getattr(request, "authenticators", ())]
    # A method of the view's own may have given the class something that makes it another.
    view = getattr(request, "parser_context", {}).get("view")
    fixed = getattr(type(view), "get_authenticators", None) is APIView.get_authenticators
    return gateway_user(request._request) if fixed and any(one in asked for one in accepting(request)) else None


def accepting(request):
    """The project's classes for the scheme that has accepted the credential."""
    # Django may be asked without the middleware, such as by a test of the project's own.
    caller = getattr(request, "portcullis", None)
    return request._portcullis_classes.get(caller.scheme, ()) if caller else ()
