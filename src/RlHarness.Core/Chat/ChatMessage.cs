using System.Text.Json;

namespace RlHarness.Core.Chat;

/// <summary>
/// One message of a conversation: fields in order, as a chat template sees them. <c>role</c> and <c>content</c> are the usual two; others are, for instance,
/// <c>reasoning_content</c> or <c>tool_calls</c>. Values are text, numbers, booleans, null, dictionaries, lists, or JSON elements.
/// </summary>
public sealed class ChatMessage
{
    private ChatMessage(IReadOnlyList<KeyValuePair<string, object?>> fields) => Fields = fields;

    public ChatMessage(string role, string content)
        : this([new("role", role), new("content", content)]) { }

    public IReadOnlyList<KeyValuePair<string, object?>> Fields { get; }

    /// <summary>Empty where the message has none.</summary>
    public string Role => this["role"] as string ?? "";

    /// <summary>The content where it is text; null where it is absent or in parts.</summary>
    public string? Content => this["content"] as string;

    /// <summary>A field's value; null where it is absent.</summary>
    public object? this[string name] => Fields.FirstOrDefault(field => field.Key == name).Value;

    public static ChatMessage System(string content) => new("system", content);

    public static ChatMessage User(string content) => new("user", content);

    public static ChatMessage Assistant(string content) => new("assistant", content);

    /// <summary>A message with any fields.</summary>
    public static ChatMessage FromFields(IEnumerable<KeyValuePair<string, object?>> fields) => new([.. fields]);

    /// <summary>A message from a JSON object, its keys in the file's order.</summary>
    public static ChatMessage FromJson(JsonElement json) =>
        new([
            .. json.EnumerateObject()
                .Select(field => new KeyValuePair<string, object?>(
                    field.Name,
                    field.Value.ValueKind == JsonValueKind.String ? field.Value.GetString() : field.Value.Clone()
                )),
        ]);

    /// <summary>A copy with one field set.</summary>
    public ChatMessage With(string name, object? value) =>
        Fields.Any(field => field.Key == name)
            ? new([.. Fields.Select(field => field.Key == name ? new(name, value) : field)])
            : new([.. Fields, new(name, value)]);

    public override string ToString() => $"{Role}: {Content}";
}
