using System.Text.Json.Serialization;
using RlHarness.Core.Settings;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Export;

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
