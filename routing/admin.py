"""Django's admin at /admin/: for support to look at rows, and for administrators to look after people.

Everything else is done on the product's own pages, which know what a change means. So rows are read-only
here, secrets are not shown, and what is changed about people goes to the audit log.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.db import models
from django.db.models import Model
from django.http import HttpRequest

from routing import audit
from routing import models as stored
from routing.models import Member

HIDDEN_FIELDS = {"secrets", "digest", "lease", "claim"}


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """Rows to look at. Counting a huge table would make its page slow, so only a filtered one is counted."""

    show_full_result_count = False
    list_per_page = 50

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        wide = (models.TextField, models.JSONField, models.ManyToManyField)
        fields = [field for field in self.model._meta.fields if not isinstance(field, wide)]
        return [field.name for field in fields if field.name not in HIDDEN_FIELDS][:8]

    def get_list_select_related(self, request: HttpRequest) -> list[str]:
        shown = self.get_list_display(request)
        return [field.name for field in self.model._meta.fields if field.is_relation and field.name in shown]

    def get_exclude(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [field.name for field in self.model._meta.fields if field.name in HIDDEN_FIELDS]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class MemberInline(admin.StackedInline):  # type: ignore[type-arg]
    model = Member
    can_delete = False


class PeopleAdmin(UserAdmin):  # type: ignore[type-arg]
    """People and their role. Nobody is deleted, for the audit log names them; close the account instead."""

    inlines = [MemberInline]
    list_display = ("username", "email", "is_active", "last_login")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self._remember(request, "create", obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self._remember(request, "edit", obj)
        return super().log_change(request, obj, message)

    def _remember(self, request: HttpRequest, verb: str, person: Model) -> None:
        """After the inlines were saved: Django logs last."""
        now = User.objects.select_related("member").get(pk=person.pk)
        after = {
            "username": now.username,
            "role": now.member.role if hasattr(now, "member") else None,
            "active": now.is_active,
            "superuser": now.is_superuser,
        }
        ip = request.META.get("REMOTE_ADDR") or None
        audit.record(request.user, verb, now, after=after, ip=ip)  # type: ignore[arg-type]  # the admin lets no stranger in


admin.site.unregister([User, Group])
admin.site.register(User, PeopleAdmin)
# The first two are no rows of their own; Django's admin takes no composite keys.
_ELSEWHERE = ("Role", "Member", "GroupedAlert")
admin.site.register([getattr(stored, name) for name in stored.__all__ if name not in _ELSEWHERE], ReadOnly)
