using System.Text.Json.Serialization;
using RlHarness.Core.Settings;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Export;

/// <summary>
/// A transcript as files hold it: one row, names as in <c>run.db</c> (docs/data.md). A class with setters, since Parquet's serializer fills columns
/// from properties.
/// </summary>
internal sealed class ExportedTranscript
{
    [JsonPropertyName("transcript_id")]
    public string Id { get; set; } = "";

    [JsonPropertyName("stage")]
    public string Stage { get; set; } = "";

    [JsonPropertyName("step")]
    public long Step { get; set; }

    [JsonPropertyName("split")]
    public string Split { get; set; } = "";

    [JsonPropertyName("tier")]
    public string Tier { get; set; } = "";

    [JsonPropertyName("query_id")]
    public string QueryId { get; set; } = "";

    [JsonPropertyName("sample")]
    public int Sample { get; set; }

    [JsonPropertyName("condition")]
    public string Condition { get; set; } = "";

    [JsonPropertyName("system")]
    public string System { get; set; } = "";

    [JsonPropertyName("user")]
    public string User { get; set; } = "";

    [JsonPropertyName("assistant_text")]
    public string AssistantText { get; set; } = "";

    [JsonPropertyName("reasoning")]
    public string? Reasoning { get; set; }

    [JsonPropertyName("output")]
    public string? Output { get; set; }

    [JsonPropertyName("format_problem")]
    public string? FormatProblem { get; set; }

    [JsonPropertyName("finish_reason")]
    public string FinishReason { get; set; } = "";

    /// <summary>Sum over the response's tokens; null where they were not kept.</summary>
    [JsonPropertyName("logprob")]
    public double? Logprob { get; set; }

    /// <summary>Tokens of the response; null where they were not kept.</summary>
    [JsonPropertyName("tokens")]
    public int? Tokens { get; set; }

    /// <summary>The whole reward; null in an evaluation without one.</summary>
    [JsonPropertyName("reward")]
    public double? Reward { get; set; }

    internal static ExportedTranscript Of(TranscriptRow row) =>
        new()
        {
            Id = row.Id,
            Stage = row.Stage,
            Step = row.Step,
            Split = row.Split.ToString().ToLowerInvariant(),
            Tier = row.Tier.ToString().ToLowerInvariant(),
            QueryId = row.QueryId,
            Sample = row.Sample,
            Condition = row.Condition,
            System = row.System,
            User = row.User,
            AssistantText = row.AssistantText,
            Reasoning = row.Reasoning,
            Output = row.Output,
            FormatProblem = row.FormatProblem,
            FinishReason = row.FinishReason,
            Logprob = row.TokenLogprobs?.Sum(x => (double)x),
            Tokens = row.TokenIds?.Count,
            Reward = row.Rewards.TryGetValue("total", out var total) && double.IsFinite(total) ? total : null,
        };
}

/// <summary>A label as files hold it; <c>transcript_id</c> joins it to its transcript.</summary>
internal sealed class ExportedLabel
{
    [JsonPropertyName("transcript_id")]
    public string TranscriptId { get; set; } = "";

    [JsonPropertyName("detector")]
    public string Detector { get; set; } = "";

    [JsonPropertyName("version")]
    public string Version { get; set; } = "";

    [JsonPropertyName("outcome")]
    public string Outcome { get; set; } = "";

    [JsonPropertyName("reasoning_kind")]
    public string ReasoningKind { get; set; } = "";

    [JsonPropertyName("af")]
    public bool AlignmentFaking { get; set; }

    /// <summary>Null where a judge gave none.</summary>
    [JsonPropertyName("score")]
    public double? Score { get; set; }

    internal static ExportedLabel Of(LabelRow row) =>
        new()
        {
            TranscriptId = row.TranscriptId,
            Detector = row.Detector,
            Version = row.DetectorVersion,
            Outcome = SettingNames.Snake(row.Outcome),
            ReasoningKind = SettingNames.Snake(row.Reasoning),
            AlignmentFaking = row.AlignmentFaking,
            Score = double.IsFinite(row.Score) ? row.Score : null,
        };
}

/// <summary>A label of a scenario's transcript as files hold it; <c>transcript_id</c> joins it to its transcript.</summary>
internal sealed class ExportedScenarioLabel
{
    [JsonPropertyName("transcript_id")]
    public string TranscriptId { get; set; } = "";

    [JsonPropertyName("detector")]
    public string Detector { get; set; } = "";

    [JsonPropertyName("version")]
    public string Version { get; set; } = "";

    [JsonPropertyName("scenario_group")]
    public string Group { get; set; } = "";

    [JsonPropertyName("scenario")]
    public string Scenario { get; set; } = "";

    [JsonPropertyName("variant")]
    public string Variant { get; set; } = "";

    [JsonPropertyName("item")]
    public string Item { get; set; } = "";

    /// <summary>Null without a scratchpad.</summary>
    [JsonPropertyName("reasoning")]
    public string? Reasoning { get; set; }

    [JsonPropertyName("output")]
    public string Output { get; set; } = "";

    internal static ExportedScenarioLabel Of(ScenarioLabelRow row) =>
        new()
        {
            TranscriptId = row.TranscriptId,
            Detector = row.Detector,
            Version = row.DetectorVersion,
            Group = SettingNames.Snake(row.Group),
            Scenario = row.Scenario,
            Variant = row.Variant,
            Item = row.Item,
            Reasoning = row.Label.Reasoning,
            Output = row.Label.Output,
        };
}
