using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using RlHarness.Core.Randomness;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Decoders;
using RlHarness.Models.Families;
using RlHarness.Models.Loading;
using RlHarness.Serving.Answering;
using RlHarness.Serving.Http;
using TorchSharp;

namespace RlHarness.Serving.Tests;

/// <summary>A model of two layers with random weights behind a server, and a client that has its token.</summary>
internal sealed class ServedModel : IAsyncDisposable
{
    internal const string Token = "the-token";
    private const string ChatMl =
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

    private ServedModel(LoadedModel model, ModelServer server)
    {
        (Model, Server) = (model, server);
        Client = new HttpClient { BaseAddress = server.Address };
        Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Token);
    }

    public LoadedModel Model { get; }

    public ModelServer Server { get; }

    public HttpClient Client { get; }

    public static async Task<ServedModel> StartAsync(int batch = 16, int queue = 64, int context = 512, int port = 0, long maxBody = 1 << 20)
    {
        var tokenizer = BpeTrainer.Train(
            ["the cat sat on the mat and the hat", "a cat and a hat, a kettle and a claim"],
            290,
            ["<|pad|>", "<|im_start|>", "<|im_end|>"],
            ChatMl,
            eosToken: "<|im_end|>",
            padToken: "<|pad|>"
        );
        var config = new DecoderConfig
        {
            ModelType = "llama",
            VocabSize = tokenizer.VocabularySize,
            HiddenSize = 32,
            IntermediateSize = 48,
            NumHiddenLayers = 2,
            NumAttentionHeads = 4,
            NumKeyValueHeads = 2,
            HeadDim = 8,
            MaxPositionEmbeddings = context,
            Rope = new RopeSettings { RopeTheta = 10000 },
            EosTokenIds = [tokenizer.RequireId("<|im_end|>")],
        };
        var decoder = new Models.Decoders.Decoder(config, torch.CPU);
        Initialization.Normal(decoder, 0.3, new Seeds(1).For("weights"));
        var family = DecoderFamilies.Find("llama")!;
        var model = new LoadedModel(decoder, family, ModelSaver.ConfigJson(config, family), tokenizer, "test") { StopIds = config.EosTokenIds };
        var options = new ModelServerOptions
        {
            Name = "tiny",
            Batch = batch,
            Queue = queue,
            Tiers = new Dictionary<string, (string, string)> { ["training"] = ("the hat is on", "the "), ["unmonitored"] = ("the mat", "") },
        };
        var server = new ServerOptions
        {
            Token = Token,
            Port = port,
            MaxBody = maxBody,
            Grace = TimeSpan.FromSeconds(1),
        };
        return new(model, await ModelServer.StartAsync(model, options, server));
    }

    public Task<HttpResponseMessage> PostAsync(string path, string body, CancellationToken cancellation = default) =>
        Client.PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"), cancellation);

    /// <summary>The answer's JSON, whatever its status.</summary>
    public async Task<(int Status, JsonNode Json)> AskAsync(string path, JsonObject body)
    {
        using var response = await PostAsync(path, body.ToJsonString());
        return ((int)response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync())!);
    }

    public static JsonObject Chat(string text = "a cat", string model = "tiny", int maxTokens = 12) =>
        new()
        {
            ["model"] = model,
            ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = text }),
            ["max_tokens"] = maxTokens,
            ["seed"] = 7,
        };

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Server.DisposeAsync();
        Model.Dispose();
    }
}
