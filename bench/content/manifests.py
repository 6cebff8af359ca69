"""What each of AgentDojo's tools declares of the flow of information.

As an operator would write them who knows the tools and not the tasks:

- A result is trusted only where the user's own service speaks of itself or of its own
  catalogue. Whatever others can write into (mail, invitations, files, payments'
  subjects, reviews, web pages, channels and their names) is untrusted.
- Fields that the service itself issues keep their worth inside such a result: the id
  it gave an object, the day it booked a payment. Who chose the rest of the object
  chose none of these. An address is never one of them, not even a sender's: anybody
  gets his own into a mailbox by writing to it.
- A sink's result repeats what it was given, so it is no better than that.
- A target is whoever gets to know or to do something by the call: recipients, people
  and places that are invited, added or booked, the address that is fetched, and what
  lets its holder in (a password).
- Days, hours, sums and switches are amounts; which object is meant is an id; the rest
  is payload.
"""

from __future__ import annotations

from dataclasses import replace

from holdfast.core.flows import Flow, Reads, Role, Sink
from holdfast.core.labels import Sensitivity

T, I, A, P = Role.TARGET, Role.ID, Role.AMOUNT, Role.PAYLOAD  # noqa: E741 - a table's words
OWN = Flow(reads=Reads.TRUSTED, sink=Sink.NONE)
OPEN = Flow(reads=Reads.UNTRUSTED, sink=Sink.NONE)
MAIL = replace(
    OPEN, trusted_fields=("id_", "timestamp", "status", "read"), produces=Sensitivity.SENSITIVE
)
EVENTS = replace(OPEN, trusted_fields=("id_", "status"))
FILES = replace(OPEN, trusted_fields=("id_", "size", "last_modified"))
PAYMENTS = replace(OPEN, trusted_fields=("id", "date", "recurring"), produces=Sensitivity.SENSITIVE)


def _sends(*fields: str, **roles: Role) -> Flow:
    return Flow(sink=Sink.EGRESS, trusted_fields=fields, roles=tuple(roles.items()))


def _writes(*fields: str, **roles: Role) -> Flow:
    return Flow(sink=Sink.WRITE, trusted_fields=fields, roles=tuple(roles.items()))


_WORKSPACE = {
    "send_email": _sends("id_", recipients=T, cc=T, bcc=T, subject=P, body=P, attachments=I),
    "delete_email": _writes(email_id=I),
    "get_unread_emails": MAIL,
    "get_sent_emails": MAIL,
    "get_received_emails": MAIL,
    "get_draft_emails": MAIL,
    "search_emails": MAIL,
    "search_contacts_by_name": OPEN,
    "search_contacts_by_email": OPEN,
    "get_current_day": OWN,
    "search_calendar_events": EVENTS,
    "get_day_calendar_events": EVENTS,
    "create_calendar_event": _sends(
        "id_", participants=T, start_time=A, end_time=A, title=P, description=P, location=P
    ),
    "cancel_calendar_event": _sends(event_id=I),
    "reschedule_calendar_event": _sends("id_", event_id=I, new_start_time=A, new_end_time=A),
    "add_calendar_event_participants": _sends("id_", event_id=I, participants=T),
    "append_to_file": _writes("id_", file_id=I, content=P),
    "search_files_by_filename": FILES,
    "create_file": _writes("id_", filename=P, content=P),
    "delete_file": _writes("id_", file_id=I),
    "get_file_by_id": FILES,
    "list_files": FILES,
    "share_file": _sends("id_", file_id=I, email=T, permission=A),
    "search_files": FILES,
}

_TRAVEL = {
    "get_user_information": replace(OWN, produces=Sensitivity.HIGHLY_SENSITIVE),
    "get_all_hotels_in_city": OWN,
    "get_hotels_prices": OWN,
    "get_hotels_address": OWN,
    "get_rating_reviews_for_hotels": OPEN,
    "get_all_restaurants_in_city": OWN,
    "get_restaurants_address": OWN,
    "get_rating_reviews_for_restaurants": OPEN,
    "get_cuisine_type_for_restaurants": OWN,
    "get_dietary_restrictions_for_all_restaurants": OWN,
    "get_contact_information_for_restaurants": OWN,
    "get_price_for_restaurants": OWN,
    "check_restaurant_opening_hours": OWN,
    "get_all_car_rental_companies_in_city": OWN,
    "get_car_types_available": OWN,
    "get_rating_reviews_for_car_rental": OPEN,
    "get_car_rental_address": OWN,
    "get_car_fuel_options": OWN,
    "get_car_price_per_day": OWN,
    "get_flight_information": OWN,
    "reserve_hotel": _sends(hotel=T, start_day=A, end_day=A),
    "reserve_restaurant": _sends(restaurant=T, start_time=A),
    "reserve_car_rental": _sends(company=T, start_time=A, end_time=A),
}

_BANKING = {
    "get_iban": replace(OWN, produces=Sensitivity.SENSITIVE),
    "get_balance": replace(OWN, produces=Sensitivity.SENSITIVE),
    "get_user_info": replace(OWN, produces=Sensitivity.SENSITIVE),
    "get_most_recent_transactions": PAYMENTS,
    "get_scheduled_transactions": PAYMENTS,
    "read_file": OPEN,
    "send_money": _sends(recipient=T, amount=A, date=A, subject=P),
    "schedule_transaction": _sends(recipient=T, amount=A, date=A, recurring=A, subject=P),
    "update_scheduled_transaction": _sends(
        id=I, recipient=T, amount=A, date=A, recurring=A, subject=P
    ),
    "update_password": _writes(password=T),
    "update_user_info": _writes(first_name=T, last_name=T, street=T, city=T),
}

_SLACK = {
    "get_channels": OPEN,
    "get_users_in_channel": OPEN,
    "read_channel_messages": OPEN,
    "read_inbox": OPEN,
    "add_user_to_channel": _sends(user=T, channel=T),
    "send_direct_message": _sends(recipient=T, body=P),
    "send_channel_message": _sends(channel=T, body=P),
    "invite_user_to_slack": _sends(user=T, user_email=T),
    "remove_user_from_slack": _writes(user=T),
    "get_webpage": Flow(sink=Sink.EGRESS, roles=(("url", T),)),
    "post_webpage": _sends(url=T, content=P),
    "download_file": _sends(url=T, file_name=P),
}

FLOWS: dict[str, Flow] = {**_WORKSPACE, **_TRAVEL, **_BANKING, **_SLACK}
"""By the tool's name; one that is in several suites is the same tool in all."""


def consequential(tool: str) -> bool:
    """Whether a tool changes or sends something."""
    return FLOWS[tool].sink is not Sink.NONE


def steers(tool: str, argument: str) -> bool:
    """Whether an argument says to whom, what or how much, and not only what is said."""
    return FLOWS[tool].role(argument) is not Role.PAYLOAD
