using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Generation;

namespace RlHarness.Serving.Answering;

/// <summary>Writes answers in the form of OpenAI's chat and text completions, whole and in pieces.</summary>
internal sealed class AnswerWriter(AnswerRequest request, Tokenizer tokenizer, string id, long created)
{
    /// <summary>What stands for the logarithm of nothing, which JSON can't write; OpenAI's own number for it.</summary>
    private const double Impossible = -9999;

    private static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly Dictionary<int, int> _offsets = [];

    public static string Text(JsonNode node) => node.ToJsonString(Json);

    /// <summary>The whole answer.</summary>
    /// <param name="prompts">As the model read them, each answered as often as the request says.</param>
    public JsonObject Whole(
        IReadOnlyList<(string Text, IReadOnlyList<LiveToken> Tokens, FinishReason Finish)> answers,
        IReadOnlyList<int[]> prompts,
        int tokens
    )
    {
        var choices = new JsonArray();
        foreach (var (answer, i) in answers.Select((a, i) => (a, i)))
        {
            var choice = new JsonObject { ["index"] = i };
            if (request.IsChat)
                choice["message"] = new JsonObject
                {
                    ["role"] = "assistant",
                    ["content"] = answer.Text,
                    ["refusal"] = null,
                };
            else
                choice["text"] = answer.Text;
            choice["logprobs"] = Logprobs(i, answer.Tokens);
            choice["finish_reason"] = Reason(answer.Finish);
            if (request.ReturnTokenIds)
            {
                choice["token_ids"] = Ids(answer.Tokens.Select(t => t.Id));
                choice["prompt_token_ids"] = Ids(prompts[i / request.N]);
            }

            choices.Add(choice);
        }

        var body = Head(request.IsChat ? "chat.completion" : "text_completion", choices);
        body["usage"] = Usage(prompts.Sum(p => p.Length), tokens);
        return body;
    }

    /// <summary>The first piece of a stream's answer: whose words they are. Null where the form has none.</summary>
    public JsonObject? First(int index) =>
        request.IsChat
            ? Chunk(
                index,
                new JsonObject
                {
                    ["role"] = "assistant",
                    ["content"] = "",
                    ["refusal"] = null,
                },
                "",
                [],
                null
            )
            : null;

    public JsonObject Piece(AnswerPiece piece) => Chunk(piece.Index, new JsonObject { ["content"] = piece.Text }, piece.Text, piece.Tokens, null);

    public JsonObject Last(AnswerPiece piece) => Chunk(piece.Index, [], "", [], piece.Finish);

    /// <summary>The piece behind the last one, where the client asked what was used.</summary>
    public JsonObject Used(int promptTokens, int tokens)
    {
        var body = Head(request.IsChat ? "chat.completion.chunk" : "text_completion", []);
        body["usage"] = Usage(promptTokens, tokens);
        return body;
    }

    private JsonObject Chunk(int index, JsonObject delta, string text, IReadOnlyList<LiveToken> tokens, FinishReason? finish)
    {
        var choice = new JsonObject { ["index"] = index };
        if (request.IsChat)
            choice["delta"] = delta;
        else
            choice["text"] = text;
        choice["logprobs"] = tokens.Count == 0 ? null : Logprobs(index, tokens);
        choice["finish_reason"] = finish is { } reason ? Reason(reason) : null;
        if (request.ReturnTokenIds)
            choice["token_ids"] = Ids(tokens.Select(t => t.Id));
        return Head(request.IsChat ? "chat.completion.chunk" : "text_completion", [choice]);
    }

    private JsonObject Head(string kind, JsonArray choices) =>
        new()
        {
            ["id"] = id,
            ["object"] = kind,
            ["created"] = created,
            ["model"] = request.Model,
            ["system_fingerprint"] = null,
            ["choices"] = choices,
        };

    private static JsonObject Usage(int prompt, int tokens) =>
        new()
        {
            ["prompt_tokens"] = prompt,
            ["completion_tokens"] = tokens,
            ["total_tokens"] = prompt + tokens,
        };

    private static JsonArray Ids(IEnumerable<int> ids) => new([.. ids.Select(i => JsonValue.Create(i))]);

    private static string Reason(FinishReason finish) => finish == FinishReason.Length ? "length" : "stop";

    private JsonObject? Logprobs(int index, IReadOnlyList<LiveToken> tokens)
    {
        if (request.TopLogprobs is null)
            return null;
        if (request.IsChat)
            return new JsonObject
            {
                ["content"] = new JsonArray([
                    .. tokens.Select(t =>
                    {
                        var entry = Entry(t.Id, t.Logprob);
                        entry["top_logprobs"] = new JsonArray([.. t.Top.Select(o => Entry(o.Id, o.Logprob))]);
                        return entry;
                    }),
                ]),
                ["refusal"] = null,
            };
        var (texts, logprobs, tops, offsets) = (new JsonArray(), new JsonArray(), new JsonArray(), new JsonArray());
        var offset = _offsets.GetValueOrDefault(index);
        foreach (var token in tokens)
        {
            var text = TokenText(token.Id);
            texts.Add(text);
            logprobs.Add(Finite(token.Logprob));
            var top = new JsonObject();
            foreach (var other in token.Top)
                top[TokenText(other.Id)] = Finite(other.Logprob);
            tops.Add(top);
            offsets.Add(offset);
            offset += text.Length;
        }

        _offsets[index] = offset;
        return new JsonObject
        {
            ["tokens"] = texts,
            ["token_logprobs"] = logprobs,
            ["top_logprobs"] = request.TopLogprobs > 0 ? tops : null,
            ["text_offset"] = offsets,
        };
    }

    private JsonObject Entry(int token, float logprob)
    {
        var bytes = tokenizer.BytesOf(token).Span;
        var list = new JsonArray();
        foreach (var b in bytes)
            list.Add((int)b);
        return new JsonObject
        {
            ["token"] = Encoding.UTF8.GetString(bytes),
            ["logprob"] = Finite(logprob),
            ["bytes"] = list,
        };
    }

    private static double Finite(float value) => float.IsFinite(value) ? value : Impossible;

    /// <summary>A token's text where it stands behind another one; a part of a character is U+FFFD.</summary>
    private string TokenText(int token) => Encoding.UTF8.GetString(tokenizer.BytesOf(token).Span);
}
