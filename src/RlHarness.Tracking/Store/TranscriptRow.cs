using System.Globalization;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Tracking.Store;

/// <summary>One sampled response with all that is known of it but its labels.</summary>
/// <param name="Step">Step of the policy that wrote it: 0 before the first update.</param>
/// <param name="Sample">Number of the sample among those of the same prompt.</param>
/// <param name="Condition">Name of the condition, see <see cref="Condition"/>.</param>
/// <param name="FinishReason"><c>stop</c> or <c>length</c>.</param>
/// <param name="TokenIds">Response tokens; null where they are not kept.</param>
/// <param name="TokenLogprobs">Log-probability of each response token when it was sampled.</param>
/// <param name="Rewards">Each reward by its name, before and after weighting as the stage defines; empty in an evaluation.</param>
/// <param name="Prompt">For a rollout: the prompt's number in its step, from 0, since a step may draw a query twice. Null in an evaluation.</param>
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
    IReadOnlyDictionary<string, double> Rewards,
    int? Prompt = null
)
{
    private readonly string? _id;

    /// <summary>
    /// What and when, so that a step that is done again after a crash has the same id, and no two responses have one: a rollout's says which prompt of its step
    /// it answers, the query's id keeps its case, and what separates the parts is escaped in it.
    /// </summary>
    public string Id
    {
        get =>
            _id
            ?? string.Create(
                CultureInfo.InvariantCulture,
                $"{Part(Stage)}/{Step}/{Part(Split.ToString())}/{Part(Tier.ToString())}/{Part(Condition)}/{Escaped(QueryId)}/"
                    + $"{(Prompt is { } prompt ? $"{prompt}/" : "")}{Sample}"
            );
        init => _id = value;
    }

    private static string Part(string name) => Escaped(name.ToLowerInvariant());

    private static string Escaped(string text) => text.Replace("%", "%25", StringComparison.Ordinal).Replace("/", "%2F", StringComparison.Ordinal);
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
