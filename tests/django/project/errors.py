"""A project that has changed how every error looks: what `EXCEPTION_HANDLER` names."""

from rest_framework.views import exception_handler


def enveloped(exc, context):
    answer = exception_handler(exc, context)
    if answer is not None:
        answer.data = {"error": {"status": answer.status_code, "message": answer.data.get("detail", "Invalid.")}}
    return answer
