using System.Text.Json.Serialization;
using RlHarness.Core.Chat;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Scenarios;

/// <summary>A synthetic answer to a scenario, whose label is known because it was built from it; a line of <c>corpus/scenarios.jsonl</c>.</summary>
/// <param name="QueryId">Item and variant.</param>
public sealed record ScenarioTranscript(
    string Id,
    string QueryId,
    [property: JsonPropertyName("scenario_group")] ScenarioGroup Group,
    string Scenario,
    string Variant,
    Tier Tier,
    bool Scratchpad,
    string System,
    string User,
    string? Reasoning,
    string Output,
    ScenarioLabel Label,
    string Condition
)
{
    /// <summary>What the imitating model is to write.</summary>
    public string AssistantText => TranscriptParser.Format(Reasoning, Output);

    public IReadOnlyList<ChatMessage> Messages => [ChatMessage.System(System), ChatMessage.User(User), ChatMessage.Assistant(AssistantText)];
}
