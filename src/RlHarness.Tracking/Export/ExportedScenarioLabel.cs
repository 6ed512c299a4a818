using System.Text.Json.Serialization;
using RlHarness.Core.Settings;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Export;

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
