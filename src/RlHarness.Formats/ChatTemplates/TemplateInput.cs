using System.Collections;
using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Nodes;
using RlHarness.Core.Chat;

namespace RlHarness.Formats.ChatTemplates;

/// <summary>From .NET's and JSON's values to the template's.</summary>
internal static class TemplateInput
{
    public static object? Convert(object? value) =>
        value switch
        {
            null => null,
            string or bool or double or long => value,
            BigInteger big => PythonOperators.Shrink(big),
            int or short or byte or sbyte or uint or ushort => System.Convert.ToInt64(value, CultureInfo.InvariantCulture),
            ulong wide => PythonOperators.Shrink(wide),
            float or decimal => System.Convert.ToDouble(value, CultureInfo.InvariantCulture),
            JsonElement json => FromJson(json),
            JsonNode node => FromJson(JsonSerializer.SerializeToElement(node)),
            IEnumerable<KeyValuePair<string, object?>> pairs => Dict(pairs),
            IDictionary dictionary => Dict(dictionary),
            IEnumerable items => items.Cast<object?>().Select(Convert).ToList(),
            _ => throw new ArgumentException($"a chat template cannot take a value of type {value.GetType()}", nameof(value)),
        };

    /// <summary>
    /// A message as apply_chat_template hands it on: without fields that are null, and with the reasoning under both its names
    /// (<c>reasoning_content</c> from the first of <c>reasoning_content</c>, <c>thinking</c>, <c>reasoning</c>; <c>thinking</c> where it was missing).
    /// </summary>
    public static DictValue Message(ChatMessage message)
    {
        var dict = new DictValue();
        foreach (var (name, value) in message.Fields)
        {
            if (Convert(value) is { } converted)
                dict.Set(name, converted);
        }

        foreach (var name in (string[])["reasoning_content", "thinking", "reasoning"])
        {
            if (!dict.TryGet(name, out var reasoning))
                continue;
            dict.Set("reasoning_content", reasoning);
            if (!dict.TryGet("thinking", out _))
                dict.Set("thinking", reasoning);
            break;
        }

        return dict;
    }

    private static DictValue Dict(IEnumerable<KeyValuePair<string, object?>> pairs)
    {
        var dict = new DictValue();
        foreach (var (key, value) in pairs)
            dict.Set(key, Convert(value));
        return dict;
    }

    private static DictValue Dict(IDictionary pairs)
    {
        var dict = new DictValue();
        foreach (DictionaryEntry pair in pairs)
            dict.Set(Convert(pair.Key), Convert(pair.Value));
        return dict;
    }

    private static object? FromJson(JsonElement json)
    {
        switch (json.ValueKind)
        {
            case JsonValueKind.String:
                return json.GetString();
            case JsonValueKind.True:
                return true;
            case JsonValueKind.False:
                return false;
            case JsonValueKind.Array:
                return json.EnumerateArray().Select(FromJson).ToList();
            case JsonValueKind.Object:
                var dict = new DictValue();
                foreach (var field in json.EnumerateObject())
                    dict.Set(field.Name, FromJson(field.Value));
                return dict;
            case JsonValueKind.Number:
                var text = json.GetRawText();
                return text.AsSpan().IndexOfAny(".eE") >= 0
                    ? double.Parse(text, CultureInfo.InvariantCulture)
                    : PythonOperators.Shrink(BigInteger.Parse(text, CultureInfo.InvariantCulture));
            default:
                return null;
        }
    }
}
