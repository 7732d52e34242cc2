"""The pages for people, by group. They work without JavaScript."""

from __future__ import annotations

from fastapi import APIRouter

from api.routes.pages import account, admin, case, evals, new, queue, rating
from api.routes.pages.frame import error_page, render

__all__ = ["error_page", "render", "router"]

router = APIRouter(include_in_schema=False)
for module in (queue, new, account, admin, case, evals, rating):
    router.include_router(module.router)
