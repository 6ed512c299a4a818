using System.Globalization;
using System.Text;
using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;

namespace RlHarness.Tracking.Report;

/// <summary>Which run a report is of, from its run.json: model and its hash, pack, seed, settings that are not the defaults, commit, dates.</summary>
internal static class RunHead
{
    public static string Html(ReportData data)
    {
        if (Read(Path.Combine(data.Folder, "run.json")) is not { } about)
            return "";
        var html = new StringBuilder("<div class=\"about\"><table>\n<tbody>\n");
        void Row(string name, string? value)
        {
            if (!string.IsNullOrEmpty(value))
                html.Append(CultureInfo.InvariantCulture, $"<tr><td>{name}</td><td>{Svg.Escape(value)}</td></tr>\n");
        }

        string? Text(string name) =>
            about.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String or JsonValueKind.Number ? value.ToString() : null;
        var hash = Text("model_hash");
        Row("model", Text("model") is { } model ? model + (hash is null ? "" : $", SHA-256 {Short(hash)}") : null);
        Row("pack", Text("pack"));
        Row("seed", Text("seed"));
        Row("settings", Changed(about));
        Row("command", Text("command"));
        Row("program", Version(Text("version")));
        Row("machine", string.Join(", ", new[] { Text("host"), Text("device") }.OfType<string>()));
        var ends = data.Stages.Select(s => s.Ended).OfType<DateTimeOffset>().ToArray();
        Row("started", Date(Text("started")) + (ends.Length > 0 ? $", last stage ended {Date(ends.Max())}" : ""));
        return html.Append("</tbody>\n</table></div>\n").ToString();
    }

    /// <summary>Those that differ from the defaults; null for a run made before they were recorded.</summary>
    private static string? Changed(JsonElement about)
    {
        if (!about.TryGetProperty("changed_settings", out var changed) || changed.ValueKind != JsonValueKind.Object)
            return null;
        string[] all = [.. changed.EnumerateObject().Select(p => $"{p.Name}={p.Value}")];
        return all.Length == 0 ? "all as the defaults are" : string.Join(", ", all);
    }

    private static string? Version(string? version) =>
        version?.Split('+') is [var number, var commit] ? $"rlharness {number}, commit {Short(commit)}"
        : version is null ? null
        : $"rlharness {version}";

    private static string Short(string hash) => hash.Length > 12 ? hash[..12] : hash;

    private static string? Date(string? text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? Date(time) : text;

    private static string Date(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture) + " UTC";

    private static JsonElement? Read(string path)
    {
        if (!File.Exists(path))
            return null;
        try
        {
            using var document = JsonDocument.Parse(TextFile.Read(path, "a run.json", 16L << 20));
            return document.RootElement.ValueKind == JsonValueKind.Object ? document.RootElement.Clone() : null;
        }
        catch (Exception e) when (e is JsonException or HarnessException)
        {
            return null;
        }
    }
}
