"""Making calls out of intents: what a model is sent, what a tool is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

from holdfast import ModelSettings, Role, SessionConfig, SessionManager, ToolOutcome
from holdfast.ports.tool import ToolContext
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import *  # noqa: F403 - see below
