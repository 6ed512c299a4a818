using System.Text.Json;
using RlHarness.Core.Chat;
using RlHarness.Core.Errors;
using RlHarness.Formats.ChatTemplates;

namespace RlHarness.Tools.Fidelity;

/// <summary>Golden conversations of a chat template: rendered text and the assistant's spans equal exactly, errors where Jinja has them.</summary>
internal static class TemplateCases
{
    internal static ExactCount Of(string file)
    {
        var template = ChatTemplate.Parse(File.ReadAllText(file));
        using var cases = JsonDocument.Parse(File.ReadAllBytes(Path.ChangeExtension(file, ".cases.json")));
        return Count(Path.GetFileNameWithoutExtension(file), cases.RootElement.EnumerateArray(), row =>
            template.Render(
                Messages(row.GetProperty("messages")),
                row.GetProperty("add_generation_prompt").GetBoolean(),
                Variables(row.GetProperty("kwargs")),
                row.TryGetProperty("continue_final_message", out var flag) && flag.GetBoolean(),
                GoldenClock.Instance
            )
        );
    }

    /// <summary>Small templates, one a case.</summary>
    internal static ExactCount OfSnippets(string file)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(file));
        var messages = Messages(json.RootElement.GetProperty("messages"));
        var variables = Variables(json.RootElement.GetProperty("kwargs"));
        return Count("snippets of Jinja", json.RootElement.GetProperty("snippets").EnumerateArray(), row =>
            ChatTemplate.Parse(row.GetProperty("template").GetString()!).Render(messages, false, variables, false, GoldenClock.Instance)
        );
    }

    private static ExactCount Count(string name, IEnumerable<JsonElement> rows, Func<JsonElement, RenderedChat> render)
    {
        var all = rows.ToArray();
        return new ExactCount("chat_templates", name, all.Count(row => IsEqual(row, render)), all.Length);
    }

    private static bool IsEqual(JsonElement row, Func<JsonElement, RenderedChat> render)
    {
        var fails = row.TryGetProperty("error", out _);
        try
        {
            var rendered = render(row);
            return !fails && rendered.Text == row.GetProperty("expected").GetString() && SameSpans(row, rendered);
        }
        catch (HarnessException)
        {
            return fails;
        }
    }

    private static bool SameSpans(JsonElement row, RenderedChat rendered) =>
        !row.TryGetProperty("assistant_spans", out var spans)
        || spans
            .EnumerateArray()
            .Select(span => (span[0].GetInt32(), span[1].GetInt32()))
            .SequenceEqual(
                (rendered.AssistantSpans ?? []).Select(span =>
                    (TokenizerCases.CodePoints(rendered.Text, span.Start), TokenizerCases.CodePoints(rendered.Text, span.End))
                )
            );

    private static ChatMessage[] Messages(JsonElement messages) => [.. messages.EnumerateArray().Select(ChatMessage.FromJson)];

    private static Dictionary<string, object?> Variables(JsonElement variables) =>
        variables.EnumerateObject().ToDictionary(pair => pair.Name, pair => (object?)pair.Value.Clone());

    /// <summary>The golden files were rendered at 2026-03-07 09:05:03.</summary>
    private sealed class GoldenClock : TimeProvider
    {
        public static GoldenClock Instance { get; } = new();

        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(2026, 3, 7, 9, 5, 3, TimeSpan.Zero);
    }
}
