# The command for the CPU: docker build -t gifdesc . && docker run --rm -v "$PWD:/work" gifdesc --help
FROM python:3.12-slim

# PyTorch without CUDA, from its own index.
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu \
    "torch>=2.11" "torchvision>=0.26"

COPY . /src
RUN pip install --no-cache-dir "/src[lite]" && rm -rf /src

# Models are downloaded once, if this folder is a volume.
ENV HF_HOME=/cache/huggingface TORCH_HOME=/cache/torch
RUN useradd --create-home --uid 1000 user && mkdir -p /cache /work && chown 1000 /cache /work
USER 1000
WORKDIR /work
ENTRYPOINT ["gifdesc"]
