using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.Json.Serialization;
using RlHarness.Core.Settings;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Export;

/// <summary>
/// Comma-separated values by RFC 4180: a header, lines that end in CR LF, quotes around a field that holds a comma, a quote or a line end. UTF-8; what is not
/// known is empty, and a number that is not finite too.
/// </summary>
internal static class CsvTable
{
    private static readonly char[] Quoted = [',', '"', '\r', '\n'];

    /// <summary>Writes rows whose columns are the properties that have a JSON name, in the order of declaration.</summary>
    public static void Write<T>(Stream stream, IEnumerable<T> rows)
    {
        var columns = typeof(T)
            .GetProperties()
            .Select(p => (Property: p, Name: p.GetCustomAttribute<JsonPropertyNameAttribute>()?.Name))
            .Where(c => c.Name is not null)
            .ToArray();
        using var writer = new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true) { NewLine = "\r\n" };
        writer.WriteLine(string.Join(',', columns.Select(c => c.Name)));
        foreach (var row in rows)
            writer.WriteLine(string.Join(',', columns.Select(c => Field(c.Property.GetValue(row)))));
    }

    internal static string Field(object? value)
    {
        var text = value switch
        {
            null => "",
            double number => double.IsFinite(number) ? number.ToString("R", CultureInfo.InvariantCulture) : "",
            bool flag => flag ? "true" : "false",
            IFormattable other => other.ToString(null, CultureInfo.InvariantCulture),
            _ => value.ToString() ?? "",
        };
        return text.IndexOfAny(Quoted) < 0 ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }
}

/// <summary>One number of one step, as files hold it.</summary>
internal sealed class ExportedMetric
{
    [JsonPropertyName("stage")]
    public string Stage { get; set; } = "";

    [JsonPropertyName("step")]
    public long Step { get; set; }

    [JsonPropertyName("time")]
    public string Time { get; set; } = "";

    [JsonPropertyName("name")]
    public string Name { get; set; } = "";

    [JsonPropertyName("value")]
    public double? Value { get; set; }

    internal static ExportedMetric Of(MetricRow row) =>
        new()
        {
            Stage = row.Stage,
            Step = row.Step,
            Time = row.Time.ToString("O", CultureInfo.InvariantCulture),
            Name = row.Name,
            Value = row.Value,
        };
}

/// <summary>One figure of an evaluation, as files hold it.</summary>
internal sealed class ExportedSummary
{
    [JsonPropertyName("stage")]
    public string Stage { get; set; } = "";

    [JsonPropertyName("step")]
    public long Step { get; set; }

    [JsonPropertyName("split")]
    public string Split { get; set; } = "";

    [JsonPropertyName("condition")]
    public string Condition { get; set; } = "";

    [JsonPropertyName("detector")]
    public string Detector { get; set; } = "";

    [JsonPropertyName("tier")]
    public string Tier { get; set; } = "";

    [JsonPropertyName("metric")]
    public string Metric { get; set; } = "";

    [JsonPropertyName("value")]
    public double? Value { get; set; }

    [JsonPropertyName("lo")]
    public double? Low { get; set; }

    [JsonPropertyName("hi")]
    public double? High { get; set; }

    [JsonPropertyName("n")]
    public int N { get; set; }

    [JsonPropertyName("clusters")]
    public int Clusters { get; set; }

    [JsonPropertyName("p")]
    public double? P { get; set; }

    internal static ExportedSummary Of(SummaryRow row) =>
        new()
        {
            Stage = row.Stage,
            Step = row.Step,
            Split = SettingNames.Snake(row.Split),
            Condition = row.Condition,
            Detector = row.Detector,
            Tier = row.Tier is { } tier ? SettingNames.Snake(tier) : "both",
            Metric = row.Metric,
            Value = row.Estimate.Value,
            Low = row.Estimate.Low,
            High = row.Estimate.High,
            N = row.Estimate.N,
            Clusters = row.Estimate.Clusters,
            P = row.P,
        };
}
