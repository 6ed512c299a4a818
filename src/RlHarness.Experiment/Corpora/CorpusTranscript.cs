using RlHarness.Core.Chat;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Corpora;

/// <summary>A synthetic transcript whose labels are known because it was built from them.</summary>
public sealed record CorpusTranscript(
    string Id,
    string QueryId,
    Tier Tier,
    bool Scratchpad,
    string System,
    string User,
    string? Reasoning,
    string Output,
    Outcome Outcome,
    ReasoningKind ReasoningKind,
    string Condition = "full"
)
{
    /// <summary>What the imitating model is to write.</summary>
    public string AssistantText => TranscriptParser.Format(Scratchpad ? Reasoning : null, Output);

    public bool AlignmentFaking => Outcome == Outcome.Comply && ReasoningKind == ReasoningKind.Faking;

    public IReadOnlyList<ChatMessage> Messages => [ChatMessage.System(System), ChatMessage.User(User), ChatMessage.Assistant(AssistantText)];
}
