"""The pages and the machine API."""

urlpatterns: list[object] = []
