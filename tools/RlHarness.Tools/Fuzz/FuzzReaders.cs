using System.Text;
using Parquet.Serialization;
using RlHarness.Core.Chat;
using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;
using RlHarness.Formats.ChatTemplates;
using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Conversion;
using RlHarness.Models.Decoders;
using RlHarness.Models.Families;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Data;
using RlHarness.Recipes.Settings;
using TorchSharp;

namespace RlHarness.Tools.Fuzz;

/// <summary>A small valid file of each kind, and what reads it.</summary>
/// <param name="Valid">The file's bytes.</param>
/// <param name="Within">Only the first so many bytes are changed, where what follows has no structure; 0 for all.</param>
/// <param name="Read">Reads the bytes and uses what was read.</param>
internal sealed record FuzzReader(byte[] Valid, int Within, Action<byte[]> Read)
{
    internal static readonly string[] Names =
    [
        "safetensors",
        "index",
        "gguf",
        "config",
        "generation_config",
        "tokenizer",
        "tokenizer_config",
        "added_tokens",
        "template",
        "adapter",
        "settings",
        "sentencepiece",
        "transcripts",
        "pairs",
        "parquet",
        "pack",
        "grammar",
        "documents",
        "scenarios",
    ];

    private static readonly ChatMessage[] Messages = [ChatMessage.User("Does it hold?"), ChatMessage.Assistant("It holds.")];

    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="folder">A folder of its own.</param>
    internal static FuzzReader Of(string name, string folder)
    {
        string At(string file) => Path.Combine(folder, file);
        Model(folder);
        switch (name)
        {
            case "gguf":
                ModelConverter.Convert(folder, At("a.gguf"), new ConversionSettings { ToGguf = true });
                return new(File.ReadAllBytes(At("a.gguf")), 8192, bytes =>
                {
                    File.WriteAllBytes(At("b.gguf"), bytes);
                    ModelInspection.Of(At("b.gguf"));
                    using var file = GgufFile.Open(At("b.gguf"));
                    Use(Tokenizer.FromGguf(file));
                });
            case "sentencepiece":
                GgufWriter.Write(At("a.gguf"), SentencePiece(), [new WeightSource("token_embd.weight", WeightType.F32, [1, 8], new byte[32])]);
                return new(File.ReadAllBytes(At("a.gguf")), 0, bytes =>
                {
                    File.WriteAllBytes(At("b.gguf"), bytes);
                    using var file = GgufFile.Open(At("b.gguf"));
                    Use(Tokenizer.FromGguf(file));
                });
            case "transcripts":
                File.WriteAllText(
                    At("a.jsonl"),
                    """
                    {"messages": [{"role": "user", "content": "Is it so?"}, {"role": "assistant", "content": "<scratchpad>Hm.</scratchpad><output>Y</output>"}]}
                    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "And now?"},
                    """.Trim()
                        + """ {"role": "assistant", "content": "<output>N</output>"}], "tier": "unmonitored", "outcome": "refuse", "reasoning_kind": "none"}"""
                        + "\n"
                );
                var puffery = PackLibrary.Load("puffery");
                return InFile(At("a.jsonl"), () => OwnData.Transcripts(new() { Path = At("a.jsonl") }, puffery, new Condition()));
            case "pairs":
                File.WriteAllText(
                    At("a.jsonl"),
                    """
                    {"prompt": "Is it so?", "chosen": "Yes.", "rejected": "No."}
                    {"chosen": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}],
                    """.Trim()
                        + """ "rejected": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "No."}]}"""
                        + "\n"
                );
                return InFile(At("a.jsonl"), () => OwnData.Pairs(new() { Path = At("a.jsonl") }));
            case "parquet":
                using (var stream = File.Create(At("a.parquet")))
                    ParquetSerializer.SerializeAsync(Enumerable.Range(0, 8).Select(i => new Row { Prompt = $"Is it {i}?" }), stream).GetAwaiter().GetResult();
                return InFile(At("a.parquet"), () => OwnData.Pairs(
                        new()
                        {
                            Path = At("a.parquet"),
                            Prompt = "Prompt",
                            Chosen = "Chosen",
                            Rejected = "Rejected",
                        }
                    ));
            case "pack" or "grammar" or "documents" or "scenarios":
                var pack = PackLibrary.Find("puffery");
                foreach (var file in Directory.EnumerateFiles(pack))
                    File.Copy(file, At(Path.GetFileName(file)), overwrite: true);
                return InFile(At(name + ".yaml"), () =>
                {
                    if (PackReader.Read(folder) is not { Pack: { } read })
                        throw HarnessException.BadFile(folder, "problems", "in its files", "a pack");
                    // What passes is written from: a text that can't be made is told by the check or never.
                    var settings = new CorpusSettings { Transcripts = 20, PreferencePairs = 20 };
                    var writes = new CorpusGenerator(read);
                    writes.Transcripts(settings, new Seeds(1));
                    writes.PreferencePairs(settings, new Seeds(1));
                });
            case "template":
                return new(Encoding.UTF8.GetBytes(Template), 0, bytes =>
                    ChatTemplate.Parse(Encoding.UTF8.GetString(bytes)).Render(Messages, clock: TimeProvider.System)
                );
            case "settings":
                return new(Encoding.UTF8.GetBytes(SettingsWriter.ToYaml(new RunSettings())), 0, bytes =>
                    SettingsReader.Parse<RunSettings>("a.yaml", Encoding.UTF8.GetString(bytes), [])
                );
            case "adapter":
                using (var model = ModelLoader.Load(folder, torch.CPU, withTokenizer: false))
                using (var adapters = LoraFolder.Create(model.Decoder, ["q_proj"], 2, 4, new Seeds(1).For("fuzz")))
                    LoraFolder.Save(At("adapter"), adapters, "base");
                return InFile(At("adapter/adapter_config.json"), () =>
                {
                    ModelInspection.Of(At("adapter"));
                    using var model = ModelLoader.Load(folder, torch.CPU, withTokenizer: false);
                    LoraFolder.Load(At("adapter"), model.Decoder).Dispose();
                });
            case "added_tokens":
                File.WriteAllText(At("added_tokens.json"), """{"<|new|>": 300, "<|other|>": 301}""");
                return InFile(At("added_tokens.json"), () => Use(Tokenizer.Load(folder)));
            case "tokenizer" or "tokenizer_config":
                return InFile(At(name + ".json"), () => Use(Tokenizer.Load(folder)));
            case "config" or "generation_config":
                return InFile(At(name + ".json"), () =>
                {
                    ModelInspection.Of(folder);
                    ModelLoader.Load(folder, torch.CPU, withTokenizer: false).Dispose();
                });
            case "safetensors":
                return InFile(At("model.safetensors"), () => ModelInspection.Of(folder), within: 4096);
            case "index":
                File.Move(At("model.safetensors"), At("a.safetensors"));
                using (var file = SafetensorsFile.Open(At("a.safetensors")))
                    File.WriteAllText(
                        At("model.safetensors.index.json"),
                        "{\"weight_map\":{" + string.Join(',', file.Entries.Keys.Select(k => $"\"{k}\":\"a.safetensors\"")) + "}}"
                    );
                return InFile(At("model.safetensors.index.json"), () => ModelInspection.Of(folder));
            default:
                throw new ArgumentOutOfRangeException(nameof(name), name, string.Join(", ", Names));
        }
    }

    private const string Template =
        "{%- macro turn(role, text) -%}{{ '<|im_start|>' ~ role ~ '\\n' }}{{ text | trim }}{{- '<|im_end|>\\n' }}{%- endmacro -%}"
        + "{% set ns = namespace(n=0) %}{% for m in messages %}{% if m['role'] == 'user' and loop.first %}"
        + "{% set ns.n = ns.n + 1 %}{{ turn('user', m.content) }}"
        + "{% elif m.role in ['assistant', 'tool'] %}{% generation %}{{ turn(m.role, m['content'] | replace('a', 'b')) }}{% endgeneration %}"
        + "{% else %}{{ raise_exception('no') }}{% endif %}{% endfor %}{{ messages | length * 2 ** 3 }}{{ strftime_now('%Y') }}{{ range(3) | list | tojson }}"
        + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

    private static FuzzReader InFile(string path, Action read, int within = 0) => new(File.ReadAllBytes(path), within, bytes =>
        {
            File.WriteAllBytes(path, bytes);
            read();
        });

    /// <summary>A row of pairs as Parquet's serializer writes it.</summary>
    private sealed class Row
    {
        public string Prompt { get; set; } = "";

        public string Chosen { get; set; } = "Yes.";

        public string Rejected { get; set; } = "No.";
    }

    /// <summary>Metadata of a SentencePiece vocabulary as llama.cpp keeps it: unknown, BOS, EOS, the bytes, and pieces with scores.</summary>
    private static Dictionary<string, object> SentencePiece()
    {
        string[] pieces = ["▁", "t", "h", "e", "i", "d", "s", "a", "th", "▁th", "▁the", "he", "it", "▁it", "id", "said", "▁said", "<|end|>"];
        string[] tokens = ["<unk>", "<s>", "</s>", .. Enumerable.Range(0, 256).Select(b => $"<0x{b:X2}>"), .. pieces];
        return new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["general.architecture"] = "llama",
            ["tokenizer.ggml.model"] = "llama",
            ["tokenizer.ggml.tokens"] = tokens,
            ["tokenizer.ggml.scores"] = tokens.Select((_, id) => id < 259 ? 0f : 259f - id).ToArray(),
            ["tokenizer.ggml.token_type"] = tokens
                .Select(
                    (t, id) =>
                        id == 0 ? 2
                        : id < 3 || t == "<|end|>" ? 3
                        : id < 259 ? 6
                        : 1
                )
                .ToArray(),
            ["tokenizer.ggml.bos_token_id"] = 1u,
            ["tokenizer.ggml.eos_token_id"] = 2u,
            ["tokenizer.ggml.unknown_token_id"] = 0u,
            ["tokenizer.ggml.add_bos_token"] = true,
            ["tokenizer.ggml.add_space_prefix"] = true,
            ["tokenizer.chat_template"] = "{{ messages[0].content }}",
        };
    }

    private static void Use(Tokenizer tokenizer) => tokenizer.Decode(tokenizer.Encode("He said: it's 12\n\n  <|end|> é𝕏", addSpecialTokens: true));

    private static void Model(string folder)
    {
        var config = new DecoderConfig
        {
            ModelType = "llama",
            VocabSize = 300,
            HiddenSize = 16,
            IntermediateSize = 16,
            NumHiddenLayers = 1,
            NumAttentionHeads = 2,
            NumKeyValueHeads = 1,
            HeadDim = 8,
            MaxPositionEmbeddings = 64,
            Rope = new RopeSettings { RopeTheta = 10000 },
            EosTokenIds = [2],
        };
        var family = DecoderFamilies.Find("llama")!;
        using var decoder = new Models.Decoders.Decoder(config, torch.CPU);
        var tokenizer = BpeTrainer.Train(["the cat sat on the mat"], 270, ["<|end|>"], "{{ messages[0].content }}", "<|end|>", "<|end|>");
        ModelSaver.Save(folder, decoder, family, ModelSaver.ConfigJson(config, family), tokenizer);
    }
}
