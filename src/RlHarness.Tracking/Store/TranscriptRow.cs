using System.Globalization;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Tracking.Store;

/// <summary>One sampled response with all that is known of it but its labels.</summary>
/// <param name="Step">Step of the policy that wrote it: 0 before the first update.</param>
/// <param name="Sample">Number of the sample among those of the same query, tier and condition.</param>
/// <param name="Condition">Name of the condition, see <see cref="Condition"/>.</param>
/// <param name="FinishReason"><c>stop</c> or <c>length</c>.</param>
/// <param name="TokenIds">Response tokens; null where they are not kept.</param>
/// <param name="TokenLogprobs">Log-probability of each response token when it was sampled.</param>
/// <param name="Rewards">Each reward by its name, before and after weighting as the stage defines; empty in an evaluation.</param>
/// <param name="FormatProblem">What is wrong with the format; null when it is right.</param>
public sealed record TranscriptRow(
    string Stage,
    long Step,
    Split Split,
    Tier Tier,
    string QueryId,
    int Sample,
    string Condition,
    string System,
    string User,
    string AssistantText,
    string? Reasoning,
    string? Output,
    string? FormatProblem,
    string FinishReason,
    IReadOnlyList<int>? TokenIds,
    IReadOnlyList<float>? TokenLogprobs,
    IReadOnlyDictionary<string, double> Rewards
)
{
    /// <summary>What and when, so that a step that is done again after a crash has the same id.</summary>
    public string Id => string.Create(CultureInfo.InvariantCulture, $"{Stage}/{Step}/{Split}/{Tier}/{Condition}/{QueryId}/{Sample}").ToLowerInvariant();
}

/// <summary>Which transcripts to read; null means any.</summary>
public sealed record TranscriptFilter(
    string? Stage = null,
    long? Step = null,
    Split? Split = null,
    Tier? Tier = null,
    string? Condition = null,
    string? Id = null,
    int? Limit = null
);
