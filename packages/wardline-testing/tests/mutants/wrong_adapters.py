"""Adapters that are wrong on purpose, each with the tests that it must fail: those, and no others.

Every one is the template's adapter with one mistake. `test_mutants.py` runs them all and compares.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, ClassVar
from uuid import uuid4

from toy_conformance import TestToy as Toy
from toyagents import Hook
from wardline_toy import Governor, _governor

from wardline import ActionRefused
from wardline.adapters import Place, Way, now
from wardline_testing import Denial


def named(text: str) -> frozenset[str]:
    """Return the tests that `text` names without their `test_`."""
    return frozenset(f"test_{one}" for one in text.split())


class Mutant(Toy):
    """One path, one form of denial and one way to reach other agents are enough for most mistakes."""

    paths = ("async",)
    nesting = ("call",)
    denials: ClassVar = {"message": Denial.REFUSED}
    fails: ClassVar[frozenset[str]] = named("")


# Nothing at all


class Absent(Hook):
    def __init__(self, guard: Any, **_: Any) -> None:
        self.guard = guard


class TestNoHook(Mutant):
    governor = Absent
    fails = named(
        """
        allowed_call_runs_once answer_of_a_stranger_does_not_count
        approval_is_answered_on_resuming approval_resumes_in_a_new_process approval_suspends
        arguments_without_canonical_form broken_ledger_denies broken_store_denies
        call_ids_may_repeat cancellation changed_input changed_output
        conversation_keeps_its_session coverage_lists_what_is_governed defaults_are_judged
        delegation_is_recorded denied_approval_never_runs denied_by_argument denied_by_default
        denied_by_name denied_delegation denied_input denied_memory_read denied_memory_write
        denied_model_call denied_output denied_retrieval denied_sibling_never_runs
        erring_condition_denies every_attempt_is_judged every_call_has_one_decision
        freeze_in_mid_run hanging_store_denies hosted_tool_is_refused later_hook_cannot_smuggle
        later_hook_is_judged_or_refused ledger_says_what_happened limit_counts_over_the_batch
        mcp_tools_are_governed memory_read memory_write model_calls_are_recorded
        nested_arguments_arrive_as_judged odd_agent_names one_adapter_object_serves_two_users redacted_result redacted_retrieval
        resuming_twice_runs_once retrieval siblings_of_a_denied_call_go_on
        sub_agent_acts_on_behalf sub_agent_is_governed sub_agent_shares_the_limits
        tokens_are_counted transform_reaches_the_body two_conversations_do_not_mix
        two_guards_do_not_leak unregistered_name_is_refused whole_batch_is_screened_first
        withheld_answer withheld_result withheld_retrieval
        """
    )


# When it judges


class AfterTheFact(Governor):
    def on_start(self, request: Any) -> None:
        pass

    async def _answer(self, *_: Any) -> Any:
        return {}

    async def _tool(self, way: Way, request: Any, call: Any) -> Any:
        result = await way.run(call, request)

        async def done(_: Any) -> Any:
            return result

        await super()._tool(way, request, done if way.loop else lambda _: result)
        return result


class TestAfterTheFact(Mutant):
    governor = AfterTheFact
    fails = named(
        """
        allowed_call_runs_once answer_of_a_stranger_does_not_count
        approval_is_answered_on_resuming approval_resumes_in_a_new_process approval_suspends
        arguments_without_canonical_form broken_ledger_denies broken_store_denies cancellation delegation_is_recorded
        denied_approval_never_runs denied_by_argument denied_by_default denied_by_name
        denied_delegation denied_sibling_never_runs erring_condition_denies
        every_attempt_is_judged every_call_has_one_decision hanging_store_denies
        later_hook_cannot_smuggle later_hook_is_judged_or_refused ledger_says_what_happened
        limit_counts_over_the_batch mcp_tools_are_governed nested_arguments_arrive_as_judged
        odd_agent_names redacted_result resuming_twice_runs_once sub_agent_acts_on_behalf
        sub_agent_is_governed sub_agent_shares_the_limits transform_reaches_the_body
        two_guards_do_not_leak unregistered_name_is_refused whole_batch_is_screened_first
        """
    )


class Unscreened(Governor):
    async def _answer(self, *_: Any) -> Any:
        return {}


class TestUnscreened(Mutant):
    governor = Unscreened
    fails = named(
        """
        limit_counts_over_the_batch unregistered_name_is_refused whole_batch_is_screened_first
        """
    )


class Twice(Governor):
    async def _tool(self, way: Way, request: Any, call: Any) -> Any:
        place = self._place(request.context)
        judged = self._judged(request.call, request.answer, request.tool)
        again = replace(judged, id=uuid4().hex)
        try:
            await self._adapter.act(way, place, again, lambda *_: None)
        except ActionRefused:
            pass
        return await super()._tool(way, request, call)


class TestJudgedTwice(Mutant):
    governor = Twice
    fails = named(
        """
        allowed_call_runs_once approval_is_answered_on_resuming
        approval_resumes_in_a_new_process call_ids_may_repeat cancellation defaults_are_judged
        delegation_is_recorded every_attempt_is_judged every_call_has_one_decision
        ledger_says_what_happened mcp_tools_are_governed one_adapter_object_serves_two_users sub_agent_acts_on_behalf
        sub_agent_shares_the_limits two_conversations_do_not_mix two_guards_do_not_leak
        withheld_result
        """
    )


class FirstOnly(Governor):
    async def _answer(self, *_: Any) -> Any:
        return {}

    def on_start(self, request: Any) -> None:
        pass

    async def _tool(self, way: Way, request: Any, call: Any) -> Any:
        first = next(
            one.calls[0]
            for one in request.context.messages
            if one.id == request.answer and one.calls
        )
        if first.id != request.call.id:
            return await way.run(call, request)
        return await super()._tool(way, request, call)


class TestFirstOfABatchOnly(Mutant):
    governor = FirstOnly
    fails = named(
        """
        approval_is_answered_on_resuming approval_resumes_in_a_new_process
        denied_sibling_never_runs every_call_has_one_decision later_hook_cannot_smuggle
        later_hook_is_judged_or_refused limit_counts_over_the_batch odd_agent_names
        siblings_of_a_denied_call_go_on two_guards_do_not_leak unregistered_name_is_refused
        whole_batch_is_screened_first
        """
    )


class SyncOnly(Governor):
    awrap_tool = Hook.awrap_tool
    aon_answer = Hook.aon_answer
    on_start = Hook.on_start


class TestSyncOnly(Mutant):
    governor = SyncOnly
    paths = ("sync", "async")
    fails = named(
        """
        allowed_call_runs_once answer_of_a_stranger_does_not_count
        approval_resumes_in_a_new_process approval_suspends arguments_without_canonical_form
        broken_ledger_denies broken_store_denies call_ids_may_repeat cancellation conversation_keeps_its_session
        defaults_are_judged delegation_is_recorded denied_approval_never_runs denied_by_argument
        denied_by_default denied_by_name denied_delegation denied_sibling_never_runs
        erring_condition_denies every_attempt_is_judged every_call_has_one_decision
        every_path_decides_the_same hanging_store_denies later_hook_cannot_smuggle
        later_hook_is_judged_or_refused ledger_says_what_happened limit_counts_over_the_batch
        mcp_tools_are_governed nested_arguments_arrive_as_judged odd_agent_names one_adapter_object_serves_two_users redacted_result
        resuming_twice_runs_once siblings_of_a_denied_call_go_on sub_agent_acts_on_behalf
        sub_agent_is_governed sub_agent_shares_the_limits transform_reaches_the_body
        two_conversations_do_not_mix two_guards_do_not_leak unregistered_name_is_refused
        whole_batch_is_screened_first withheld_result
        """
    )


# What becomes of a refusal


class Swallows(Governor):
    async def _answer(self, *_: Any) -> Any:
        return {}

    def on_start(self, request: Any) -> None:
        pass

    async def _tool(self, way: Way, request: Any, call: Any) -> Any:
        try:
            return await super()._tool(way, request, call)
        except _governor.Refused:
            return await way.run(call, request)


class TestSwallowsDenials(Mutant):
    governor = Swallows
    fails = named(
        """
        arguments_without_canonical_form broken_ledger_denies broken_store_denies denied_approval_never_runs
        denied_by_argument denied_by_default denied_by_name denied_delegation
        denied_sibling_never_runs erring_condition_denies every_call_has_one_decision
        hanging_store_denies later_hook_cannot_smuggle later_hook_is_judged_or_refused
        limit_counts_over_the_batch mcp_tools_are_governed odd_agent_names
        resuming_twice_runs_once siblings_of_a_denied_call_go_on sub_agent_is_governed
        sub_agent_shares_the_limits two_guards_do_not_leak unregistered_name_is_refused
        whole_batch_is_screened_first withheld_result
        """
    )


class CrashAllows(Governor):
    async def _answer(self, way: Way, context: Any, answer: Any) -> Any:
        found = await super()._answer(way, context, answer)
        return {key: text for key, text in found.items() if not _broken(text)}

    def on_start(self, request: Any) -> None:
        pass

    async def _tool(self, way: Way, request: Any, call: Any) -> Any:
        try:
            return await super()._tool(way, request, call)
        except _governor.Refused as refused:
            if _broken(str(refused)) or "refused before" in str(refused):
                return await way.run(call, request)
            raise


def _broken(text: str) -> bool:
    return any(
        one in text for one in ("builtin:store", "builtin:ledger", "builtin:error", "error:")
    )


class TestCrashAllows(Mutant):
    governor = CrashAllows
    fails = named(
        """
        broken_ledger_denies broken_store_denies erring_condition_denies hanging_store_denies
        later_hook_cannot_smuggle later_hook_is_judged_or_refused
        """
    )


class Silent(Governor):
    async def _answer(self, *_: Any) -> Any:
        return {}

    async def _tool(self, way: Way, request: Any, call: Any) -> Any:
        try:
            return await super()._tool(way, request, call)
        except _governor.Refused:
            return "ok"


class TestSilentDenial(Mutant):
    governor = Silent
    fails = named(
        """
        arguments_without_canonical_form broken_ledger_denies broken_store_denies denied_approval_never_runs
        denied_by_argument denied_by_default denied_by_name denied_delegation
        denied_sibling_never_runs erring_condition_denies every_call_has_one_decision
        hanging_store_denies later_hook_cannot_smuggle later_hook_is_judged_or_refused
        limit_counts_over_the_batch mcp_tools_are_governed siblings_of_a_denied_call_go_on
        sub_agent_is_governed unregistered_name_is_refused whole_batch_is_screened_first
        withheld_result
        """
    )


class TestWrongForm(Mutant):
    denials: ClassVar = {"message": Denial.BARE}
    fails = named(
        """
        denied_approval_never_runs denied_by_argument denied_by_default denied_by_name
        denied_sibling_never_runs erring_condition_denies every_call_has_one_decision
        limit_counts_over_the_batch mcp_tools_are_governed withheld_result
        """
    )


# What runs, and what comes back


class OtherArguments(Governor):
    def on_start(self, request: Any) -> None:
        pass

    async def _tool(self, way: Way, request: Any, call: Any) -> Any:
        given = dict(request.call.args)

        def as_given(judged: Any) -> Any:
            return call(replace(judged, call=replace(judged.call, args=given)))

        return await super()._tool(way, request, as_given)


class TestOtherArguments(Mutant):
    governor = OtherArguments
    fails = named(
        """
        later_hook_cannot_smuggle later_hook_is_judged_or_refused transform_reaches_the_body
        """
    )


class NoBackstop(Governor):
    def on_start(self, request: Any) -> None:
        pass


class TestNoBackstop(Mutant):
    governor = NoBackstop
    fails = named("later_hook_cannot_smuggle later_hook_is_judged_or_refused")


class Unbound(Governor):
    def _judged(self, *call: Any) -> Any:
        return replace(super()._judged(*call), bind=None)


class TestDefaultsUnjudged(Mutant):
    governor = Unbound
    fails = named("defaults_are_judged")


class Unredacted(Governor):
    async def _tool(self, way: Way, request: Any, call: Any) -> Any:
        kept: list[Any] = []

        async def keeps(own: Any) -> Any:
            kept.append(await way.run(call, own))
            return kept[0]

        run = keeps if way.loop else lambda own: now(keeps(own))
        result = await super()._tool(way, request, run)
        return kept[0] if kept else result


class TestNotRedacted(Mutant):
    governor = Unredacted
    fails = named("redacted_result")


class Streams(Governor):
    async def _model(self, way: Way, request: Any, call: Any) -> Any:
        def early(given: Any) -> Any:
            given.hold = False
            return call(given)

        return await super()._model(way, request, early)


class TestStreamedBeforeJudged(Mutant):
    governor = Streams
    paths = ("stream",)
    fails = named(
        """
        changed_output denied_output stream_leaks_no_denied_call stream_leaks_no_denied_output
        withheld_answer
        """
    )


class LostOutcome(Governor):
    async def _tool(self, way: Way, request: Any, call: Any) -> Any:
        async def never_fails(own: Any) -> Any:
            try:
                return await way.run(call, own)
            except RuntimeError as error:
                return f"it failed: {error}"

        run = never_fails if way.loop else lambda own: now(never_fails(own))
        return await super()._tool(way, request, run)


class TestLostOutcome(Mutant):
    governor = LostOutcome
    fails = named("every_attempt_is_judged ledger_says_what_happened")


# To whom it belongs


class OneGuardForAll(Governor):
    last: ClassVar[list[Governor]] = []

    def __init__(self, guard: Any, **options: Any) -> None:
        super().__init__(guard, **options)
        self.last[:] = [self]

    async def _tool(self, way: Way, request: Any, call: Any) -> Any:
        return await Governor._tool(self.last[0], way, request, call)

    async def _answer(self, way: Way, context: Any, answer: Any) -> Any:
        return await Governor._answer(self.last[0], way, context, answer)


class TestOneGuardForAll(Mutant):
    governor = OneGuardForAll
    fails = named("two_guards_do_not_leak")


class StaleSession(Governor):
    def _place(self, context: Any) -> Place:
        if self not in context.local:
            self._keep(context, Place.open(self.guard, _governor.NAME, session="the-session"))
        return super()._place(context)


class TestStaleSession(Mutant):
    governor = StaleSession
    fails = named(
        """
        delegation_is_recorded
        one_adapter_object_serves_two_users
        sub_agent_acts_on_behalf
        two_conversations_do_not_mix
        """
    )


class RemembersTheFirst(Governor):
    first: Any = None

    def _place(self, context: Any) -> Place:
        self.first = self.first or super()._place(context)
        return self.first


class TestRemembersTheFirstUser(Mutant):
    governor = RemembersTheFirst
    fails = named(
        """
        delegation_is_recorded
        one_adapter_object_serves_two_users
        sub_agent_acts_on_behalf
        """
    )


class MissesAgents(Governor):
    inherits = False


class TestSubAgentMissed(Mutant):
    governor = MissesAgents
    nesting = ("call", "handoff")
    fails = named(
        """
        coverage_lists_what_is_governed delegation_is_recorded sub_agent_acts_on_behalf
        sub_agent_is_governed sub_agent_shares_the_limits
        """
    )


class NoDelegation(Governor):
    async def _delegate(self, *_: Any, **__: Any) -> None:
        pass


class TestNoDelegation(Mutant):
    governor = NoDelegation
    nesting = ("call", "handoff")
    fails = named("delegation_is_recorded denied_delegation")


class SameActor(Governor):
    async def _hand_over(self, way: Way, context: Any, name: str, task: str) -> str:
        place = self._place(context)
        await self._delegate(way, place, name, task)
        return ""


class TestHandOffKeepsTheActor(Mutant):
    governor = SameActor
    nesting = ("handoff",)
    fails = named("delegation_is_recorded sub_agent_acts_on_behalf")


class FreshSession(Governor):
    def _place(self, context: Any) -> Place:
        if self not in context.local and _governor.KEY not in context.state:
            self._keep(context, Place.open(self.guard, _governor.NAME, agent=context.agent))
        return super()._place(context)


class TestForgetsTheConversation(Mutant):
    governor = FreshSession
    fails = named("conversation_keeps_its_session")


# What is not mapped


class NoShelves(Governor):
    awrap_shelf = Hook.awrap_shelf


class TestShelvesPassBy(Mutant):
    governor = NoShelves
    fails = named(
        """
        denied_memory_read denied_memory_write denied_retrieval memory_read memory_write
        redacted_retrieval retrieval withheld_retrieval
        """
    )


class NoText(Governor):
    aon_input = Hook.aon_input
    aon_final = Hook.aon_final


class TestTextPassesBy(Mutant):
    governor = NoText
    paths = ("async", "stream")
    fails = named(
        "changed_input changed_output denied_input denied_output stream_leaks_no_denied_output"
    )


class NoTokens(Governor):
    async def _model(self, way: Way, request: Any, call: Any) -> Any:
        async def free(given: Any) -> Any:
            return replace(await way.run(call, given), tokens=0)

        return await super()._model(way, request, free if way.loop else lambda g: now(free(g)))


class TestTokensUncounted(Mutant):
    governor = NoTokens
    fails = named("tokens_are_counted")


class RunsOn(Governor):
    async def _tool(self, way: Way, request: Any, call: Any) -> Any:
        async def kept(own: Any) -> Any:
            task = asyncio.ensure_future(call(own))
            while not task.done():
                try:
                    await asyncio.shield(task)
                except asyncio.CancelledError:
                    return "cancelled"
            return task.result()

        return await super()._tool(way, request, kept if way.loop else call)


class TestCancellationSwallowed(Mutant):
    governor = RunsOn
    fails = named("cancellation")


class TestCoverageLies(Mutant):
    fails = named("coverage_names_the_ungoverned")

    async def coverage(self, scene: Any) -> Any:
        return [replace(one, governed=True, why="") for one in await super().coverage(scene)]


# What comes back later


class FreshIds(Governor):
    async def _tool(self, way: Way, request: Any, call: Any) -> Any:
        fresh = replace(request, answer=f"{request.answer}-{uuid4().hex}")
        return await super()._tool(way, fresh, lambda own: call(replace(own, answer=fresh.answer)))


class TestResumedTwice(Mutant):
    governor = FreshIds
    fails = named(
        """
        approval_is_answered_on_resuming approval_resumes_in_a_new_process
        denied_approval_never_runs resuming_twice_runs_once
        """
    )


class ModelIds(Governor):
    async def _answer(self, way: Way, context: Any, answer: Any) -> Any:
        return await super()._answer(way, context, replace(answer, id=""))

    async def _tool(self, way: Way, request: Any, call: Any) -> Any:
        return await super()._tool(way, replace(request, answer=""), call)


class TestIdsOfTheModelAlone(Mutant):
    governor = ModelIds
    fails = named("call_ids_may_repeat")


class NeverSuspends(Governor):
    async def _tool(self, way: Way, request: Any, call: Any) -> Any:
        try:
            return await super()._tool(way, request, call)
        except _governor.Suspend as suspend:
            raise _governor.Refused(str(suspend.question["message"])) from suspend


class TestNeverSuspends(Mutant):
    governor = NeverSuspends
    fails = named(
        """
        answer_of_a_stranger_does_not_count approval_is_answered_on_resuming
        approval_resumes_in_a_new_process approval_suspends denied_approval_never_runs
        resuming_twice_runs_once
        """
    )


class LetsProvidersRun(Governor):
    async def _model(self, way: Way, request: Any, call: Any) -> Any:
        hosted = request.hosted
        return await super()._model(
            way, replace(request, hosted=()), lambda one: call(replace(one, hosted=hosted))
        )


class TestLetsProvidersRun(Mutant):
    governor = LetsProvidersRun
    fails = named("hosted_tool_is_refused")
