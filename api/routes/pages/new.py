"""A case that a person brings: pasted words, or an e-mail file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from fastapi.responses import RedirectResponse

from agent import intake
from agent.errors import BadInput
from api.mailbox.mail import MailError, parse
from api.policy import Desk, Receiver
from api.reading import storable
from api.routes.pages.frame import render
from api.wiring import Runtime

router = APIRouter(include_in_schema=False)

LANGUAGES: Final = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "nl": "Dutch",
    "pt": "Portuguese",
}  # fmt: skip
"""Names of languages; one that is not here is shown by its code."""

_FIELDS: Final = ("text", "subject", "name", "email", "order_ref", "lang")
_NO_TEXT: Final = "Paste the customer's words, or choose an e-mail file."


@router.get("/desk/new")
def new_page(request: Request, desk: Desk, _who: Receiver) -> Response:
    """A form to paste a case into."""
    return _page(request, desk, dict.fromkeys(_FIELDS, ""), "")


@router.post("/desk/new")
def new_case(
    request: Request, *, desk: Desk, who: Receiver, text: Annotated[str, Form()] = "",
    subject: Annotated[str, Form()] = "", name: Annotated[str, Form()] = "", email: Annotated[str, Form()] = "",
    order_ref: Annotated[str, Form()] = "", lang: Annotated[str, Form()] = "",
    mail: Annotated[UploadFile | None, File()] = None,
) -> Response:  # fmt: skip
    """Take a pasted case, or one in an e-mail file, in."""
    given = {"text": text, "subject": subject, "name": name, "email": email, "order_ref": order_ref, "lang": lang}
    raw = mail.file.read() if mail is not None and mail.filename else b""
    try:
        escalation = _mailed(desk, raw) if raw else _pasted(given)
        escalation |= {"order_ref": order_ref} if order_ref.strip() else {}
        escalation |= {"lang": lang} if lang else {}
        escalation = storable(escalation)
        intake.parse(escalation, now=desk.clock.now(), case_id="case")
    except (BadInput, MailError) as error:
        said = f"This file cannot be taken in. {error}" if raw else str(error)
        said = said if raw or (text + subject).strip() else _NO_TEXT
        return _page(request, desk, given, said, 422)
    ids = desk.desk.receive(who, escalation)
    return RedirectResponse(f"/desk/{ids['case']}?new=1", 303)


def _pasted(given: Mapping[str, str]) -> dict[str, Any]:
    return {
        "channel": "desk",
        "messages": [{"text": given["text"].replace("\r\n", "\n"), "subject": given["subject"]}],
        "customer": {"name": given["name"], "email": given["email"]},
    }


def _mailed(desk: Runtime, raw: bytes) -> dict[str, Any]:
    """An e-mail file as an escalation, read as mail from the mailbox is: bounded, and its attachments only named.

    Raises:
        MailError: it is no mail, or one made to break its reader.

    """
    config = desk.texts.integrations.mailbox
    mail = parse(raw, received=desk.clock.now(), own=config.own if config else ())
    message = {"text": mail.text, "subject": mail.subject, "at": mail.at.isoformat()}
    customer = {"name": mail.sender.name, "email": mail.sender.address}
    return {"channel": "email", "messages": [message], "customer": customer}


def _page(request: Request, desk: Runtime, given: Mapping[str, str], problem: str, status: int = 200) -> Response:
    languages = {code: LANGUAGES.get(code, code) for code in desk.texts.pack.store.languages}
    return render(request, "new.html", status, title="New case", given=given, problem=problem, languages=languages)
