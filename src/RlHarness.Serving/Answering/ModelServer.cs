using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using RlHarness.Core.Chat;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Randomness;
using RlHarness.Formats.ChatTemplates;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Generation;
using RlHarness.Models.Loading;
using RlHarness.Serving.Http;

namespace RlHarness.Serving.Answering;

/// <summary>What a server of a model answers, and how much at once.</summary>
public sealed record ModelServerOptions
{
    /// <summary>The name that clients ask for.</summary>
    public required string Name { get; init; }

    /// <summary>System prompt, and beginning of every answer, by the name of a tier; empty for a model that is no run's.</summary>
    public IReadOnlyDictionary<string, (string System, string AnswerStart)> Tiers { get; init; } = new Dictionary<string, (string, string)>();

    /// <summary>What the chat template reads as the time; null: the clock.</summary>
    public TimeProvider? Clock { get; init; }

    /// <summary>Answers that are generated together, at most.</summary>
    public int Batch { get; init; } = 64;

    /// <summary>Answers that may wait for a place; beyond them a client is told to ask again.</summary>
    public int Queue { get; init; } = 256;

    /// <summary>Tokens of an answer, at most.</summary>
    public int MaxNewTokens { get; init; } = 4096;

    /// <summary>
    /// Loads a model of the same shape whose weights a client names by its folder (<c>/update_weights_from_disk</c>); null: clients may not. The server
    /// disposes of it.
    /// </summary>
    public Func<string, LoadedModel>? Load { get; init; }
}

/// <summary>
/// A model behind OpenAI's protocol: <c>/v1/models</c>, <c>/v1/chat/completions</c>, <c>/v1/completions</c>. A tier's system prompt is added where the model is
/// named <c>NAME:TIER</c>, or the header <c>X-RlHarness-Tier</c> names one.
/// </summary>
public sealed class ModelServer : IAsyncDisposable
{
    public const string TierHeader = "X-RlHarness-Tier";

    /// <summary>As SGLang names and answers it.</summary>
    private const string Update = "/update_weights_from_disk";

    private readonly ModelServerOptions _options;
    private readonly ServerOptions _server;
    private readonly LoadedModel _model;
    private readonly Tokenizer _tokenizer;
    private readonly ChatEncoder? _encoder;
    private readonly int _threads = TorchSharp.torch.get_num_threads();
    private readonly Lock _gate = new();
    private Generation _current;
    private readonly TimeProvider _time;
    private readonly long _started;
    private LocalServer _http = null!;
    private int _disposed;
    private long _answers;
    private long _tokens;

    private ModelServer(LoadedModel model, ModelServerOptions options, ServerOptions server, TimeProvider time)
    {
        (_model, _options, _server, _time) = (model, options, server, time);
        _tokenizer = model.Tokenizer!;
        _encoder = _tokenizer.ChatTemplate is null ? null : ChatEncoder.For(_tokenizer, clock: options.Clock);
        _current = new(model, new ContinuousGenerator(model.Decoder, options.Batch), IsOwned: false);
        _started = time.GetUtcNow().ToUnixTimeSeconds();
    }

    /// <summary>Where it listens.</summary>
    public Uri Address => _http.Address;

    /// <summary>Answers and tokens that were given since it started.</summary>
    public (long Answers, long Tokens) Given => (Interlocked.Read(ref _answers), Interlocked.Read(ref _tokens));

    /// <summary>Names that clients may ask for.</summary>
    public IReadOnlyList<string> Names => [_options.Name, .. _options.Tiers.Keys.Select(t => $"{_options.Name}:{t}")];

    /// <param name="model">Not owned; it computes with the calling thread's number of libtorch threads.</param>
    /// <exception cref="HarnessException">The model has no tokenizer, or the port is taken.</exception>
    public static async Task<ModelServer> StartAsync(LoadedModel model, ModelServerOptions options, ServerOptions server, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(server);
        if (model.Tokenizer is null)
            throw HarnessException.BadFile(options.Name, "the model has no tokenizer", "tokenizer.json is absent", "a model with its tokenizer");
        var self = new ModelServer(model, options, server, time ?? TimeProvider.System);
        try
        {
            self._http = await LocalServer.StartAsync(server, self.HandleAsync, FailAsync).ConfigureAwait(false);
        }
        catch
        {
            self._current.Dispose();
            throw;
        }

        return self;
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        await _http.DisposeAsync().ConfigureAwait(false);
        _current.Dispose();
    }

    /// <summary>Weights, and who answers with them: requests that began with them end with them.</summary>
    private sealed record Generation(LoadedModel Model, ContinuousGenerator Generator, bool IsOwned) : IDisposable
    {
        /// <summary>Requests that are being answered.</summary>
        internal int Users { get; set; }

        /// <summary>Newer weights have taken its place.</summary>
        internal bool IsOver { get; set; }

        public void Dispose()
        {
            Generator.Dispose();
            if (IsOwned)
                Model.Dispose();
        }
    }

    private Generation Enter()
    {
        lock (_gate)
        {
            _current.Users++;
            return _current;
        }
    }

    private void Leave(Generation generation)
    {
        bool isLast;
        lock (_gate)
            isLast = --generation.Users == 0 && generation.IsOver;
        if (isLast)
            generation.Dispose();
    }

    private async Task HandleAsync(HttpContext context, CancellationToken cancellation)
    {
        try
        {
            if (!LocalServer.IsAllowed(LocalServer.Bearer(context), _server.Token))
            {
                context.Response.Headers.WWWAuthenticate = "Bearer";
                throw new ApiError(
                    401,
                    "a wrong token, or none: send the one that the server printed as `Authorization: Bearer TOKEN`",
                    code: "invalid_api_key"
                );
            }

            await RouteAsync(context, cancellation).ConfigureAwait(false);
        }
        catch (ApiError e)
        {
            if (e.RetryAfter is { } seconds)
                context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
            await WriteAsync(context, e.Status, e.ToJson()).ConfigureAwait(false);
        }
    }

    private Task RouteAsync(HttpContext context, CancellationToken cancellation)
    {
        var path = context.Request.Path.Value ?? "";
        var wanted = path is "/v1/chat/completions" or "/v1/completions" or Update ? "POST" : "GET";
        var known = wanted == "POST" || path == "/v1/models" || path.StartsWith("/v1/models/", StringComparison.Ordinal);
        if (!known)
            throw new ApiError(404, $"no such address: {context.Request.Method} {path}; this server has /v1/models, /v1/chat/completions and /v1/completions");
        if (context.Request.Method != wanted)
            throw new ApiError(405, $"{path} takes {wanted}, not {context.Request.Method}");
        if (path == Update)
            return UpdateAsync(context, cancellation);
        if (wanted == "POST")
            return AnswerAsync(context, path == "/v1/chat/completions", cancellation);
        if (path == "/v1/models")
            return WriteAsync(context, 200, new() { ["object"] = "list", ["data"] = new JsonArray([.. Names.Select(Describe)]) });
        var name = Uri.UnescapeDataString(path["/v1/models/".Length..]);
        return Names.Contains(name) ? WriteAsync(context, 200, Describe(name)) : throw Unknown(name);
    }

    private JsonObject Describe(string name) =>
        new()
        {
            ["id"] = name,
            ["object"] = "model",
            ["created"] = _started,
            ["owned_by"] = "rlharness",
        };

    private ApiError Unknown(string name) => new(404, $"the model {name} is not here: this server has {string.Join(", ", Names)}", "model", "model_not_found");

    /// <summary>Takes the weights of a folder; answers that were begun end with those before.</summary>
    private async Task UpdateAsync(HttpContext context, CancellationToken cancellation)
    {
        if (_options.Load is not { } load)
            throw new ApiError(403, "this server's weights stay as they are: start it with --weights-from FOLDER", code: "not_allowed");
        JsonElement body;
        try
        {
            using var bytes = new MemoryStream();
            await context.Request.Body.CopyToAsync(bytes, cancellation).ConfigureAwait(false);
            body = TextFile.ParseJson(bytes.ToArray());
        }
        catch (JsonException e)
        {
            throw new ApiError(400, $"the body is not JSON: {e.Message}", code: "invalid_json");
        }

        if (body.ValueKind != JsonValueKind.Object || !body.TryGetProperty("model_path", out var value) || value.ValueKind != JsonValueKind.String)
            throw ApiError.Bad("model_path", "nothing", "a folder with the model's files");
        // A generator takes its thread's number of libtorch threads.
        var path = value.GetString()!;
        await Task.Factory.StartNew(() => Take(load, path), cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default).ConfigureAwait(false);
        await WriteAsync(context, 200, new() { ["success"] = true, ["message"] = $"the weights are those of {path}" }).ConfigureAwait(false);
    }

    private void Take(Func<string, LoadedModel> load, string path)
    {
        TorchSharp.torch.set_num_threads(_threads);
        LoadedModel model;
        try
        {
            model = load(path);
        }
        catch (HarnessException e)
        {
            throw new ApiError(400, e.Message, "model_path", "invalid_value");
        }

        if (!model.Decoder.Layout.Parameters.Select(p => (p.Name, p.Count)).SequenceEqual(_model.Decoder.Layout.Parameters.Select(p => (p.Name, p.Count))))
        {
            model.Dispose();
            throw ApiError.Bad("model_path", path, "a model of the shape that is served");
        }

        model.Decoder.ComputeType = _model.Decoder.ComputeType;
        model.Decoder.WithoutToken = _model.Decoder.WithoutToken;
        Generation before;
        bool isLast;
        lock (_gate)
        {
            before = _current;
            _current = new(model, new ContinuousGenerator(model.Decoder, _options.Batch), IsOwned: true);
            before.IsOver = true;
            isLast = before.Users == 0;
        }

        if (isLast)
            before.Dispose();
    }

    private async Task AnswerAsync(HttpContext context, bool isChat, CancellationToken cancellation)
    {
        var generation = Enter();
        try
        {
            await AnswerAsync(context, isChat, generation.Generator, cancellation).ConfigureAwait(false);
        }
        finally
        {
            Leave(generation);
        }
    }

    private async Task AnswerAsync(HttpContext context, bool isChat, ContinuousGenerator generator, CancellationToken cancellation)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, cancellation).ConfigureAwait(false);
        var request = AnswerRequest.Parse(body.GetBuffer().AsMemory(0, (int)body.Length), isChat);
        var (prompts, start) = Encode(request, Tier(context, request));
        var longest = prompts.Max(p => p.Length);
        var left = _model.Decoder.Config.MaxPositionEmbeddings - longest;
        var most = request.MaxTokens ?? Math.Min(left, _options.MaxNewTokens);
        if (most > left || left < 1)
            throw new ApiError(
                400,
                $"this model's context is {_model.Decoder.Config.MaxPositionEmbeddings} tokens: the prompt has {longest}, the answer may have {most}",
                request.MaxTokens is null ? "messages" : "max_tokens",
                "context_length_exceeded"
            );
        if (most > _options.MaxNewTokens)
            throw ApiError.Bad("max_tokens", $"{most}", $"at most {_options.MaxNewTokens}, the server's limit");

        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var pieces = Channel.CreateUnbounded<AnswerPiece>(new UnboundedChannelOptions { SingleReader = true });
        var sampling = new SamplingSettings
        {
            Temperature = request.Temperature,
            TopP = request.TopP,
            TopK = request.TopK,
            MinP = request.MinP,
            RepetitionPenalty = request.RepetitionPenalty,
            MaxNewTokens = most,
            StopIds = [.. _model.StopIds.Union(request.StopTokenIds)],
        };
        // The streams of `generate`, so that the same prompt and seed give the same answers.
        var seeds = new Seeds(request.Seed).Child("generate");
        var texts = new List<AnswerText>();
        var sequences = new List<LiveSequence>();
        for (var p = 0; p < prompts.Count; p++)
            for (var i = 0; i < request.N; i++)
            {
                var text = new AnswerText(
                    _tokenizer,
                    texts.Count,
                    start,
                    request.Stop,
                    withTokens: request.TopLogprobs is not null || request.ReturnTokenIds,
                    withEnd: request.ReturnTokenIds,
                    piece => pieces.Writer.TryWrite(piece)
                );
                texts.Add(text);
                sequences.Add(
                    new LiveSequence(new(prompts[p], p, i), sampling, Stream(p, i), text.Take, text.End, leaving.Token) { TopLogprobs = request.TopLogprobs }
                );
            }

        RandomStream Stream(int prompt, int sample) =>
            request.RandomStream is { } named
                ? new Seeds(named.Root).For("sample", named.Step, named.Prompt, named.Sample)
                : seeds.For("sample", 0, prompt, sample);

        Enqueue(generator, sequences);
        try
        {
            var writer = new AnswerWriter(
                request,
                _tokenizer,
                (isChat ? "chatcmpl-" : "cmpl-") + Guid.NewGuid().ToString("N"),
                _time.GetUtcNow().ToUnixTimeSeconds()
            );
            if (request.Stream)
                await StreamAsync(context, request, writer, pieces.Reader, texts, prompts.Sum(p => p.Length), cancellation).ConfigureAwait(false);
            else
                await WholeAsync(context, writer, pieces.Reader, texts, prompts, cancellation).ConfigureAwait(false);
            Interlocked.Add(ref _answers, texts.Count);
            Interlocked.Add(ref _tokens, texts.Sum(t => t.Count));
        }
        finally
        {
            // Whoever has gone gives up the places of what is not finished.
            await leaving.CancelAsync().ConfigureAwait(false);
        }
    }

    private void Enqueue(ContinuousGenerator generator, List<LiveSequence> sequences)
    {
        if (sequences.Count > _options.Batch + _options.Queue)
            throw ApiError.Bad("n", $"{sequences.Count} answers", $"at most {_options.Batch + _options.Queue}, which is all that this server holds");
        try
        {
            if (generator.TryAdd(sequences, _options.Queue))
                return;
        }
        catch (HarnessException e) when (e.Kind == ErrorKind.BadInput)
        {
            throw new ApiError(400, e.Message, code: "invalid_value");
        }

        if (_http.Stopping.IsCancellationRequested)
            throw new ApiError(503, "the server is stopping");
        throw new ApiError(429, $"the queue is full: {_options.Queue} answers wait already; ask again in a moment", code: "queue_full")
        {
            RetryAfter = Math.Clamp(generator.Waiting / _options.Batch, 1, 60),
        };
    }

    /// <summary>The tier that the request names, by the model's name or the header; null for none.</summary>
    private string? Tier(HttpContext context, AnswerRequest request)
    {
        if (!Names.Contains(request.Model))
            throw Unknown(request.Model);
        var named = request.Model.Length > _options.Name.Length ? request.Model[(_options.Name.Length + 1)..] : null;
        var header = context.Request.Headers[TierHeader].ToString();
        if (header.Length > 0 && named is not null && header != named)
            throw ApiError.Bad(TierHeader, header, $"{named}, as the model's name says, or no header");
        var tier = named ?? (header.Length > 0 ? header : null);
        if (tier is null)
            return null;
        if (!request.IsChat)
            throw ApiError.Bad("model", $"{tier} tier", "a chat: a completion has no system prompt");
        if (!_options.Tiers.ContainsKey(tier))
            throw ApiError.Bad(TierHeader, tier, _options.Tiers.Count == 0 ? "no tier: this is not a run's model" : string.Join(", ", _options.Tiers.Keys));
        return request.Messages.Any(m => m.Role == "system")
            ? throw ApiError.Bad("messages", $"a system message beside the {tier} tier", "one of them: the tier has a system prompt of its own")
            : tier;
    }

    private (IReadOnlyList<int[]> Prompts, string Start) Encode(AnswerRequest request, string? tier)
    {
        if (!request.IsChat)
            return ([.. request.Prompts.Select(p => p is string text ? _tokenizer.Encode(text, addSpecialTokens: true) : (int[])p)], "");
        if (_encoder is null)
            throw new ApiError(400, "this model has no chat template: ask /v1/completions", "messages", "no_chat_template");
        var (system, start) = tier is null ? (null, "") : _options.Tiers[tier];
        IReadOnlyList<ChatMessage> messages = system is null ? request.Messages : [ChatMessage.System(system), .. request.Messages];
        try
        {
            return ([start.Length == 0 ? _encoder.EncodePrompt(messages) : _encoder.EncodePrefill(messages, start)], start);
        }
        catch (HarnessException e)
        {
            throw new ApiError(400, $"the model's chat template does not take these messages: {e.Message}", "messages", "invalid_value");
        }
    }

    private static async Task WholeAsync(
        HttpContext context,
        AnswerWriter writer,
        ChannelReader<AnswerPiece> pieces,
        List<AnswerText> texts,
        IReadOnlyList<int[]> prompts,
        CancellationToken cancellation
    )
    {
        var parts = texts.Select(_ => (Text: new StringBuilder(), Tokens: new List<LiveToken>())).ToArray();
        var ends = new FinishReason?[texts.Count];
        for (var open = texts.Count; open > 0;)
        {
            var piece = await pieces.ReadAsync(cancellation).ConfigureAwait(false);
            if (piece.Error is { } error)
                throw Failed(error);
            parts[piece.Index].Text.Append(piece.Text);
            parts[piece.Index].Tokens.AddRange(piece.Tokens);
            if (piece.Finish is null)
                continue;
            ends[piece.Index] = piece.Finish;
            open--;
        }

        var answers = parts.Select((p, i) => (p.Text.ToString(), (IReadOnlyList<LiveToken>)p.Tokens, ends[i]!.Value)).ToArray();
        await WriteAsync(context, 200, writer.Whole(answers, prompts, texts.Sum(t => t.Count))).ConfigureAwait(false);
    }

    private static async Task StreamAsync(
        HttpContext context,
        AnswerRequest request,
        AnswerWriter writer,
        ChannelReader<AnswerPiece> pieces,
        List<AnswerText> texts,
        int promptTokens,
        CancellationToken cancellation
    )
    {
        var response = context.Response;
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-store";
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        for (var i = 0; i < texts.Count; i++)
            if (writer.First(i) is { } first)
                await SendAsync(AnswerWriter.Text(first)).ConfigureAwait(false);
        for (var open = texts.Count; open > 0;)
        {
            if (!pieces.TryRead(out var piece))
            {
                await response.Body.FlushAsync(cancellation).ConfigureAwait(false);
                piece = await pieces.ReadAsync(cancellation).ConfigureAwait(false);
            }

            if (piece.Error is { } error)
            {
                var told = Failed(error);
                await SendAsync(AnswerWriter.Text(told.ToJson())).ConfigureAwait(false);
                await response.Body.FlushAsync(cancellation).ConfigureAwait(false);
                return;
            }

            if (piece.Text.Length > 0 || piece.Tokens.Count > 0)
                await SendAsync(AnswerWriter.Text(writer.Piece(piece))).ConfigureAwait(false);
            if (piece.Finish is null)
                continue;
            await SendAsync(AnswerWriter.Text(writer.Last(piece))).ConfigureAwait(false);
            open--;
        }

        if (request.IncludeUsage)
            await SendAsync(AnswerWriter.Text(writer.Used(promptTokens, texts.Sum(t => t.Count)))).ConfigureAwait(false);
        await SendAsync("[DONE]").ConfigureAwait(false);
        await response.Body.FlushAsync(cancellation).ConfigureAwait(false);

        ValueTask SendAsync(string data) => response.Body.WriteAsync(Encoding.UTF8.GetBytes($"data: {data}\n\n"), cancellation);
    }

    private static ApiError Failed(Exception error) =>
        error switch
        {
            OperationCanceledException => new(503, "the server is stopping"),
            HarnessException { Kind: ErrorKind.BadInput } => new(400, error.Message),
            HarnessException => new(500, error.Message),
            _ => new(500, $"a defect of the program: {error.GetType().Name}: {error.Message}"),
        };

    private static Task FailAsync(HttpContext context, int status, string what) =>
        WriteAsync(context, status, ApiError.Json(status, what, code: status == 413 ? "request_too_large" : null));

    private static Task WriteAsync(HttpContext context, int status, JsonObject body)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json; charset=utf-8";
        return context.Response.WriteAsync(AnswerWriter.Text(body));
    }
}
