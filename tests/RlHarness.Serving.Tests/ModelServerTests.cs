using System.ClientModel;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using OpenAI;
using OpenAI.Chat;
using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Formats.ChatTemplates;
using RlHarness.Models.Generation;
using FinishReason = RlHarness.Models.Generation.FinishReason;

namespace RlHarness.Serving.Tests;

[Trait("kind", "contract")]
public sealed class ModelServerTests
{
    private static ChatClient ClientOf(ServedModel served, string model = "tiny", string token = ServedModel.Token) =>
        new(model, new ApiKeyCredential(token), new OpenAIClientOptions { Endpoint = new Uri(served.Server.Address, "v1") });

    private static (string Text, IReadOnlyList<int> Ids) Expected(ServedModel served, Said[] messages, SamplingSettings settings, int sample = 0)
    {
        var ids = ChatEncoder.For(served.Model.Tokenizer!).EncodePrompt([.. messages.Select(m => new RlHarness.Core.Chat.ChatMessage(m.Role, m.Content))]);
        var answer = new BatchGenerator(served.Model.Decoder).Generate(
            [new GenerationRequest(ids, 0, sample)],
            settings with
            {
                StopIds = served.Model.StopIds,
            },
            new Seeds(7).Child("generate")
        )[0];
        var tokens = answer.Finish == FinishReason.Stop ? answer.Tokens.SkipLast(1) : answer.Tokens;
        return (served.Model.Tokenizer!.Decode(tokens), answer.Tokens);
    }

    private sealed record Said(string Role, string Content);

    [Fact]
    public async Task The_NET_client_gets_the_tokens_of_the_batch_generator_whole_and_streamed()
    {
        await using var served = await ServedModel.StartAsync();
        var settings = new SamplingSettings
        {
            MaxNewTokens = 40,
            Temperature = 0.9,
            TopP = 0.95,
        };
        var (expected, ids) = Expected(served, [new("system", "the mat"), new("user", "a cat and a hat")], settings);
        var client = ClientOf(served);
        var options = new ChatCompletionOptions
        {
            MaxOutputTokenCount = 40,
            Temperature = 0.9f,
            TopP = 0.95f,
            Seed = 7,
            IncludeLogProbabilities = true,
            TopLogProbabilityCount = 2,
        };
        OpenAI.Chat.ChatMessage[] messages = [new SystemChatMessage("the mat"), new UserChatMessage("a cat and a hat")];
        ChatCompletion answer = await client.CompleteChatAsync(messages, options);
        Assert.Equal(expected, answer.Content[0].Text);
        Assert.Equal(ids.Count, answer.Usage.OutputTokenCount);
        Assert.Equal(answer.Usage.InputTokenCount + ids.Count, answer.Usage.TotalTokenCount);
        // Several tokens may make one character: their bytes together are the text's.
        Assert.Equal(expected, Encoding.UTF8.GetString([.. answer.ContentTokenLogProbabilities.SelectMany(t => t.Utf8Bytes!.Value.ToArray())]));
        Assert.All(answer.ContentTokenLogProbabilities, t => Assert.Equal(2, t.TopLogProbabilities.Count));

        var (text, finish, usage) = (new StringBuilder(), (ChatFinishReason?)null, (ChatTokenUsage?)null);
        await foreach (var update in client.CompleteChatStreamingAsync(messages, options))
        {
            foreach (var part in update.ContentUpdate)
                text.Append(part.Text);
            finish ??= update.FinishReason;
            usage ??= update.Usage;
        }

        Assert.Equal(expected, text.ToString());
        Assert.Equal(answer.FinishReason, finish);
        Assert.Equal(ids.Count, usage!.OutputTokenCount);

        // A stop text ends the answer before it.
        var stop = expected[(expected.Length / 2)..][..2];
        options.StopSequences.Add(stop);
        ChatCompletion shorter = await client.CompleteChatAsync(messages, options);
        Assert.Equal(expected[..expected.IndexOf(stop, StringComparison.Ordinal)], shorter.Content[0].Text);
        Assert.Equal(ChatFinishReason.Stop, shorter.FinishReason);
    }

    [Fact]
    public async Task Several_answers_have_streams_of_their_own_and_a_tier_brings_its_prompt_and_beginning()
    {
        await using var served = await ServedModel.StartAsync();
        var body = ServedModel.Chat(maxTokens: 8);
        body["n"] = 3;
        var (status, json) = await served.AskAsync("v1/chat/completions", body);
        Assert.Equal(200, status);
        for (var i = 0; i < 3; i++)
            Assert.Equal(Expected(served, [new("user", "a cat")], new() { MaxNewTokens = 8 }, i).Text, (string)json["choices"]![i]!["message"]!["content"]!);

        var (_, named) = await served.AskAsync("v1/chat/completions", ServedModel.Chat(model: "tiny:unmonitored", maxTokens: 8));
        Assert.Equal(
            Expected(served, [new("system", "the mat"), new("user", "a cat")], new() { MaxNewTokens = 8 }).Text,
            (string)named["choices"]![0]!["message"]!["content"]!
        );
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/chat/completions")
        {
            Content = new StringContent(ServedModel.Chat(maxTokens: 8).ToJsonString(), Encoding.UTF8, "application/json"),
            Headers = { { "X-RlHarness-Tier", "training" } },
        };
        using var response = await served.Client.SendAsync(request);
        var begun = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        Assert.StartsWith("the ", (string)begun["choices"]![0]!["message"]!["content"]!, StringComparison.Ordinal);

        var refused = ServedModel.Chat(model: "tiny:training");
        refused["messages"]!.AsArray().Insert(0, new JsonObject { ["role"] = "system", ["content"] = "x" });
        Assert.Equal(400, (await served.AskAsync("v1/chat/completions", refused)).Status);
    }

    [Fact]
    public async Task Completions_take_texts_and_token_ids_and_give_their_log_probabilities()
    {
        await using var served = await ServedModel.StartAsync();
        var ids = served.Model.Tokenizer!.Encode("the cat", addSpecialTokens: true);
        var answers = new BatchGenerator(served.Model.Decoder).Generate(
            [new(ids, 0), new(ids, 1)],
            new()
            {
                MaxNewTokens = 5,
                Temperature = 0,
                StopIds = served.Model.StopIds,
            },
            new Seeds(7)
        );
        var body = new JsonObject
        {
            ["model"] = "tiny",
            ["prompt"] = new JsonArray("the cat", new JsonArray([.. ids.Select(i => (JsonNode)i)])),
            ["max_tokens"] = 5,
            ["temperature"] = 0,
            ["logprobs"] = 1,
        };
        var (status, json) = await served.AskAsync("v1/completions", body);
        Assert.Equal(200, status);
        Assert.Equal("text_completion", (string)json["object"]!);
        foreach (var (choice, answer) in json["choices"]!.AsArray().Zip(answers))
        {
            var tokens = answer.Finish == FinishReason.Stop ? answer.Tokens.SkipLast(1).ToArray() : [.. answer.Tokens];
            Assert.Equal(served.Model.Tokenizer.Decode(tokens), (string)choice!["text"]!);
            var logprobs = choice["logprobs"]!;
            Assert.Equal(tokens.Length, logprobs["tokens"]!.AsArray().Count);
            Assert.Equal(0, (int)logprobs["text_offset"]![0]!);
            foreach (var (given, known) in logprobs["token_logprobs"]!.AsArray().Zip(answer.Logprobs))
                Assert.Equal(known, (double)given!, 1e-4);
        }

        Assert.Equal(2 * ids.Length, (int)json["usage"]!["prompt_tokens"]!);
    }

    [Fact]
    public async Task A_stream_has_a_role_a_reason_an_end_and_nothing_after_it()
    {
        await using var served = await ServedModel.StartAsync();
        var body = ServedModel.Chat(maxTokens: 3);
        body["stream"] = true;
        using var response = await served.PostAsync("v1/chat/completions", body.ToJsonString());
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        var events = (await response.Content.ReadAsStringAsync()).Split("\n\n");
        Assert.Equal("", events[^1]);
        Assert.Equal("data: [DONE]", events[^2]);
        var chunks = events[..^2].Select(e => JsonNode.Parse(e["data: ".Length..])!["choices"]![0]!).ToArray();
        Assert.Equal("assistant", (string)chunks[0]["delta"]!["role"]!);
        Assert.All(chunks[..^1], c => Assert.Null(c["finish_reason"]));
        Assert.Equal("length", (string)chunks[^1]["finish_reason"]!);
    }

    [Theory]
    [InlineData("""{"model": "tiny", "messages": [""", "not JSON")]
    [InlineData("""[1]""", "a list, expected a JSON object")]
    [InlineData("""{"model": "tiny"}""", "messages: found nothing")]
    [InlineData("""{"model": "tiny", "messages": [{"role": "robot", "content": "x"}]}""", "messages[0].role: found robot")]
    [InlineData("""{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "temperature": "hot"}""", "temperature: found a text")]
    [InlineData("""{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "n": 1000}""", "n: found 1000, expected a whole number from 1 to 128")]
    [InlineData("""{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "tools": [{}]}""", "tools is not supported")]
    [InlineData("""{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "max_tokens": 5000}""", "context is 512 tokens")]
    [InlineData("""{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "top_logprobs": 2}""", "logprobs: true")]
    public async Task A_request_that_can_t_be_answered_is_refused_in_words(string body, string words)
    {
        await using var served = await ServedModel.StartAsync();
        using var response = await served.PostAsync("v1/chat/completions", body);
        Assert.Equal(400, (int)response.StatusCode);
        var error = JsonNode.Parse(await response.Content.ReadAsStringAsync())!["error"]!;
        Assert.Equal("invalid_request_error", (string)error["type"]!);
        Assert.Contains(words, (string)error["message"]!, StringComparison.Ordinal);
        // Nothing else is disturbed.
        Assert.Equal(200, (await served.AskAsync("v1/chat/completions", ServedModel.Chat())).Status);
    }

    [Fact]
    public async Task Wrong_tokens_names_addresses_and_bodies_have_their_own_status()
    {
        await using var served = await ServedModel.StartAsync();
        var refused = await Assert.ThrowsAsync<ClientResultException>(() => ClientOf(served, token: "wrong").CompleteChatAsync("x"));
        Assert.Equal(401, refused.Status);
        using (var nobody = new HttpClient { BaseAddress = served.Server.Address })
            Assert.Equal(401, (int)(await nobody.GetAsync("v1/models")).StatusCode);
        Assert.Equal(404, (await served.AskAsync("v1/chat/completions", ServedModel.Chat(model: "gpt-4"))).Status);
        Assert.Equal(404, (int)(await served.Client.GetAsync("v1/assistants")).StatusCode);
        Assert.Equal(405, (int)(await served.Client.GetAsync("v1/chat/completions")).StatusCode);
        var listed = JsonNode.Parse(await served.Client.GetStringAsync("v1/models"))!["data"]!.AsArray().Select(m => (string)m!["id"]!);
        Assert.Equal(["tiny", "tiny:training", "tiny:unmonitored"], listed);
        Assert.Equal("tiny:training", (string)JsonNode.Parse(await served.Client.GetStringAsync("v1/models/tiny:training"))!["id"]!);

        // A body that says that it has 100 MB is refused before it is sent.
        using var socket = new TcpClient();
        await socket.ConnectAsync("127.0.0.1", served.Server.Address.Port);
        await using var stream = socket.GetStream();
        await stream.WriteAsync(
            Encoding.ASCII.GetBytes(
                $"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ServedModel.Token}\r\nContent-Length: 100000000\r\n\r\n{{"
            )
        );
        using var reader = new StreamReader(stream);
        Assert.Equal("HTTP/1.1 413 Payload Too Large", await reader.ReadLineAsync());
        Assert.Contains("request_too_large", await reader.ReadToEndAsync(), StringComparison.Ordinal);
        Assert.Equal(200, (await served.AskAsync("v1/chat/completions", ServedModel.Chat())).Status);
    }

    [Fact]
    public async Task Many_clients_at_once_have_each_the_answer_that_one_alone_has()
    {
        await using var served = await ServedModel.StartAsync(batch: 16, queue: 64);
        string[] texts = ["a cat", "the hat and the mat", "a kettle", "the cat sat on the mat and the hat"];
        var alone = new List<string>();
        foreach (var text in texts)
        {
            var (_, json) = await served.AskAsync("v1/chat/completions", ServedModel.Chat(text, maxTokens: 30));
            alone.Add((string)json["choices"]![0]!["message"]!["content"]!);
        }

        var answers = await Task.WhenAll(
            Enumerable.Range(0, 64).Select(i => served.AskAsync("v1/chat/completions", ServedModel.Chat(texts[i % 4], maxTokens: 30)))
        );
        Assert.All(answers.Select((a, i) => (a, i)), x =>
        {
            Assert.Equal(200, x.a.Status);
            Assert.Equal(alone[x.i % 4], (string)x.a.Json["choices"]![0]!["message"]!["content"]!);
        });
    }

    [Fact]
    public async Task A_full_queue_says_when_to_ask_again_and_who_goes_gives_up_the_place()
    {
        await using var served = await ServedModel.StartAsync(batch: 1, queue: 0, context: 4096);
        using var gone = new CancellationTokenSource();
        var body = ServedModel.Chat(maxTokens: 4000);
        body["stream"] = true;
        body["temperature"] = 0;
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/chat/completions")
        {
            Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json"),
        };
        using var response = await served.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        var stream = await response.Content.ReadAsStreamAsync();
        await stream.ReadExactlyAsync(new byte[64]);
        using (var full = await served.PostAsync("v1/chat/completions", ServedModel.Chat().ToJsonString()))
        {
            Assert.Equal(429, (int)full.StatusCode);
            Assert.InRange(int.Parse(full.Headers.GetValues("Retry-After").Single(), CultureInfo.InvariantCulture), 1, 60);
            Assert.Equal("rate_limit_error", (string)JsonNode.Parse(await full.Content.ReadAsStringAsync())!["error"]!["type"]!);
        }

        // The client goes in the middle of its stream.
        response.Dispose();
        var status = 429;
        for (var i = 0; status == 429 && i < 200; i++)
        {
            status = (await served.AskAsync("v1/chat/completions", ServedModel.Chat())).Status;
            await Task.Delay(20);
        }

        Assert.Equal(200, status);
    }

    [Fact]
    public async Task A_server_that_stops_ends_open_streams_and_a_port_that_is_taken_is_named()
    {
        var served = await ServedModel.StartAsync(batch: 1, context: 8192);
        var error = await Assert.ThrowsAsync<HarnessException>(() => ServedModel.StartAsync(port: served.Server.Address.Port));
        Assert.Equal(ErrorKind.Resource, error.Kind);
        Assert.Contains($"port {served.Server.Address.Port}", error.Message, StringComparison.Ordinal);

        var body = ServedModel.Chat(maxTokens: 4000);
        (body["stream"], body["temperature"]) = (true, 0);
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/chat/completions")
        {
            Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json"),
        };
        using var client = new HttpClient { BaseAddress = served.Server.Address };
        client.DefaultRequestHeaders.Authorization = new("Bearer", ServedModel.Token);
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        var reading = response.Content.ReadAsStringAsync();
        await served.DisposeAsync();
        // Whole or cut, but never open for ever, and never an end that looks whole and is not.
        try
        {
            var text = await reading;
            Assert.Contains("[DONE]", text, StringComparison.Ordinal);
        }
        catch (HttpRequestException)
        {
            Assert.True(reading.IsFaulted);
        }
    }
}
